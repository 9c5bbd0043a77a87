/** What goes between this page and the project, for whoever wants to look: the last two hundred. */

import type { Track } from 'music-service'

export interface Recorded {
  number: number
  at: Date
  kind: 'request' | 'broadcast' | 'postgres_changes'
  what: string
  /** The status of an answer; 0 where none came. */
  status?: number
  milliseconds?: number
}

export interface Change {
  number: number
  at: Date
  title: string
  /** The columns that have another value, with the new one. */
  what: string
}

const KEPT = 200
const listeners = new Set<() => void>()
let recorded: readonly Recorded[] = []
let changes: readonly Change[] = []
let count = 0

export function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** The latest first. */
export function messages(): readonly Recorded[] {
  return recorded
}

/** Changes of rows, the latest first. */
export function rows(): readonly Change[] {
  return changes
}

function record(entry: Omit<Recorded, 'number' | 'at'>): void {
  recorded = [{ ...entry, number: ++count, at: new Date() }, ...recorded].slice(0, KEPT)
  listeners.forEach((listener) => listener())
}

const COLUMNS = ['status', 'stage', 'stream_url', 'file_url', 'title', 'error_code'] as const
const before = new Map<string, Track>()

/** Remembers what has changed in the row since it was last seen. */
export function recordRow(track: Track): void {
  const last = before.get(track.id)
  before.set(track.id, track)
  const what = COLUMNS.filter((column) => track[column] !== (last?.[column] ?? null))
    .map((column) => `${column} = ${shortened(track[column])}`)
    .join('  ')
  if (!what) return
  const title = track.title ?? track.id.slice(0, 8)
  changes = [{ number: ++count, at: new Date(), title, what }, ...changes].slice(0, KEPT)
  listeners.forEach((listener) => listener())
}

function shortened(value: string | null): string {
  if (value === null) return 'null'
  return value.length > 48 ? `…${value.slice(-40)}` : value
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
