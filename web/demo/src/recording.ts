/** What goes between this page and the project, for whoever wants to look: the last two hundred. */

export interface Recorded {
  number: number
  at: Date
  kind: 'request' | 'broadcast' | 'postgres_changes'
  what: string
  /** The status of an answer; 0 where none came. */
  status?: number
  milliseconds?: number
}

const KEPT = 200
const listeners = new Set<() => void>()
let recorded: readonly Recorded[] = []
let count = 0

export function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** The latest first. */
export function all(): readonly Recorded[] {
  return recorded
}

function record(entry: Omit<Recorded, 'number' | 'at'>): void {
  recorded = [{ ...entry, number: ++count, at: new Date() }, ...recorded].slice(0, KEPT)
  listeners.forEach((listener) => listener())
}

/** `fetch`, seen. Of an address only what tells no secret is kept. */
export const recordingFetch: typeof fetch = async (input, init) => {
  const { pathname } = new URL(input instanceof Request ? input.url : input)
  const what = `${init?.method ?? 'GET'} ${pathname}`
  const began = performance.now()
  const done = (status: number) =>
    record({ kind: 'request', what, status, milliseconds: Math.round(performance.now() - began) })
  try {
    const answer = await fetch(input, init)
    done(answer.status)
    return answer
  } catch (error) {
    done(0)
    throw error
  }
}

/** Realtime's own log, of which only what tells of tracks is kept. */
export function recordRealtime(kind: string, message: string): void {
  if (kind !== 'receive') return
  if (message.includes('broadcast')) record({ kind: 'broadcast', what: message })
  else if (message.includes('postgres_changes')) record({ kind: 'postgres_changes', what: message })
}
