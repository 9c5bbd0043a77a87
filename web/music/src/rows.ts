import type { MusicError } from './error.js'
import type { Track, TrackChange } from './types.js'

/** What is known of a track, and who wants to know more. */
export interface Entry {
  row: TrackChange | undefined
  /** It was made while this client listened, so whatever it has come to is news. */
  isNew: boolean
  /** There was nothing to be seen, and nobody is signed in. */
  isHidden: boolean
  /** Told of another row. */
  listeners: Set<(said: void) => void>
  /** Told when the track was read, and why it could not be. */
  reads: Set<(refusal?: MusicError) => void>
}

export const hasEnded = ({ status }: Pick<Track, 'status'>) =>
  status === 'completed' || status === 'error'

export const isFollowed = ({ listeners, reads }: Entry) => listeners.size + reads.size > 0

type Dated = Pick<Track, 'updated_at'>

/** PostgREST's times have microseconds, which `Date` has not; their text tells the rest. */
export function isNewer({ updated_at: a }: Dated, { updated_at: b }: Dated): boolean {
  return (Date.parse(a) - Date.parse(b) || (a > b ? 1 : -1)) > 0
}

/** What one listener throws is thrown where nobody waits, and disturbs no other. */
export function tell<Said extends unknown[]>(
  all: Iterable<(...said: Said) => void>,
  ...said: NoInfer<Said>
): void {
  for (const listener of [...all]) {
    try {
      listener(...said)
    } catch (error) {
      setTimeout(() => {
        throw error
      })
    }
  }
}
