import type { Phase, Progress, Track } from './types.js'

const MOST_REMEMBERED = 500

/** How far each track was shown to be since it was asked for. */
const shown = new Map<string, { startedAt: string | null; value: number }>()

/**
 * How far a track is, for a bar that never goes back.
 *
 * Up to the time at which it is expected the bar grows evenly to 0.8, then ever more slowly to 0.9.
 */
export function progressOf(track: Track, now = Date.now()): Progress {
  const { id, status, started_at: startedAt, expected_ready_at: expectedAt } = track
  if (status === 'completed') {
    shown.delete(id)
    return { value: 1, phase: 'done', secondsLeft: 0 }
  }
  const before = shown.get(id)
  let value = before && before.startedAt === startedAt ? before.value : 0
  let phase: Phase = status === 'error' ? 'failed' : status === 'pending' ? 'waiting' : 'making'
  let secondsLeft: number | null = null
  if (phase === 'making' && startedAt && expectedAt) {
    const start = Date.parse(startedAt)
    const end = Date.parse(expectedAt)
    const part = Math.max(0, now - start) / Math.max(1, end - start)
    value = Math.max(value, part < 1 ? 0.8 * part : 0.9 - 0.1 / part)
    if (now > end) phase = 'late'
    else secondsLeft = Math.ceil((end - now) / 1000)
  }
  shown.delete(id) // the one that was seen last stands last
  shown.set(id, { startedAt, value })
  if (shown.size > MOST_REMEMBERED) shown.delete(shown.keys().next().value!)
  return { value, phase, secondsLeft }
}
