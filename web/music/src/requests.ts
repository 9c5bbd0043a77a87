import type { Answer } from './client.js'
import { MusicError } from './error.js'
import type { TrackChange } from './types.js'

/** Whether nobody answered, or nobody who knows. */
export const isUnreachable = ({ status }: { status?: number | undefined }) =>
  !status || status === 429 || status >= 500

/** Whether asking again is of no use; a token that has run out is renewed. */
export const isRefused = ({ error }: Answer) => !/^PGRST30/.test(error!.code ?? '')

export const unreachable = (track?: TrackChange) =>
  new MusicError('unreachable', 'Not reachable.', track)

/** Why there is no row; `last` is what it was when it was seen. */
export function missing(isStranger = false, last?: TrackChange): MusicError {
  if (isStranger) return new MusicError('not_signed_in', 'Sign in first.')
  return last === undefined
    ? new MusicError('not_found', 'This music is not there.')
    : new MusicError('deleted', 'This music is gone.', last)
}
