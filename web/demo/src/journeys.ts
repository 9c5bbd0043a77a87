/** Journeys in the database: read, begin, write on, finish. */

import type { Track } from 'music-service'
import type { Database } from 'music-service/database'
import { useCallback, useEffect, useState } from 'react'

import { useSetup } from './session.js'

type Tables = Database['public']['Tables']
export type Journey = Tables['journeys']['Row']
export type Log = Tables['reading_logs']['Row']

export interface WholeJourney {
  journey: Journey
  logs: Log[]
  tracks: Track[]
}

export interface Loaded<Value> {
  /** undefined: not here yet, null: there is none. */
  value: Value | null | undefined
  hasFailed: boolean
  reload: () => Promise<void>
}

/** Answers what `load` does; the last answer stays while the next one is on its way. */
export function useLoaded<Value>(load: () => Promise<Value | null>): Loaded<Value> {
  const [value, setValue] = useState<Value | null>()
  const [hasFailed, setHasFailed] = useState(false)
  const reload = useCallback(async () => {
    try {
      setValue(await load())
      setHasFailed(false)
    } catch {
      setHasFailed(true)
    }
  }, [load])
  useEffect(() => {
    void reload()
    addEventListener('online', reload)
    return () => removeEventListener('online', reload)
  }, [reload])
  return { value, hasFailed, reload }
}

const COUNTED = 'id, book_title, book_author, created_at, finished_at, user_id, reading_logs(count)'

export interface ListedJourney extends Journey {
  entries: number
}

export function useJourneys(): Loaded<ListedJourney[]> {
  const { supabase } = useSetup()
  const load = useCallback(async () => {
    const { data } = await supabase
      .from('journeys')
      .select(COUNTED)
      .order('created_at', { ascending: false })
      .throwOnError()
    return data.map(({ reading_logs: logs, ...journey }) => ({
      ...journey,
      entries: logs[0]?.count ?? 0,
    }))
  }, [supabase])
  return useLoaded(load)
}

const WHOLE = '*, reading_logs(*), music_tracks!music_tracks_journey_id_fkey(*)'

export function useJourney(id: string): Loaded<WholeJourney> {
  const { supabase } = useSetup()
  const load = useCallback(async () => {
    if (!/^[0-9a-f-]{36}$/i.test(id)) return null
    const { data } = await supabase
      .from('journeys')
      .select(WHOLE)
      .eq('id', id)
      .maybeSingle()
      .throwOnError()
    if (!data) return null
    const { reading_logs: logs, music_tracks: tracks, ...journey } = data
    return {
      journey,
      logs: logs.toSorted((one, other) => order(one) - order(other)),
      tracks: (tracks as unknown as Track[]).toSorted((one, other) =>
        one.created_at.localeCompare(other.created_at),
      ),
    }
  }, [supabase, id])
  return useLoaded(load)
}

/** v0, v1, …, vFinal. */
function order({ version }: Log): number {
  return version === 'vFinal' ? Infinity : Number(version?.slice(1) ?? 0)
}

/** The track of a log, and every other take of it, the first one first. */
export function takesOf(log: Log, tracks: readonly Track[]): Track[] {
  const ids = new Set([log.track_id])
  const found: Track[] = []
  for (const track of tracks) {
    if (track.id !== log.track_id && !ids.has(track.parent_id)) continue
    ids.add(track.id)
    found.push(track)
  }
  return found
}

export interface Answered {
  journey: Journey
  log: Log
  track: Track
}

export interface NewLog {
  quote: string
  memo: string
  emotions: string[]
  lyrics?: string
  sing?: boolean
  voice?: 'female' | 'male'
}

export interface Writing {
  begin: (id: string, title: string, author: string, emotions: string[]) => Promise<Answered>
  add: (id: string, journeyId: string, log: NewLog) => Promise<Answered>
  finish: (journeyId: string, isSung: boolean) => Promise<Answered>
}

/** What changes journeys. The id of a new track is the caller's, so that repeating does no harm. */
export function useWriting(): Writing {
  const { supabase } = useSetup()
  const begin = useCallback<Writing['begin']>(
    async (id, title, author, emotions) => {
      const { data } = await supabase
        .rpc('create_journey', {
          p_book_title: title,
          p_emotions: emotions,
          p_track_id: id,
          ...(author && { p_book_author: author }),
        })
        .throwOnError()
      return data as unknown as Answered
    },
    [supabase],
  )
  const add = useCallback<Writing['add']>(
    async (id, journeyId, log) => {
      const { data } = await supabase
        .rpc('add_reading_log', {
          p_journey_id: journeyId,
          p_emotions: log.emotions,
          p_track_id: id,
          ...(log.quote && { p_quote: log.quote }),
          ...(log.memo && { p_memo: log.memo }),
          ...(log.lyrics && { p_lyrics: log.lyrics }),
          ...(log.sing && { p_sing: true }),
          ...(log.voice && { p_vocal_gender: log.voice }),
        })
        .throwOnError()
      return data as unknown as Answered
    },
    [supabase],
  )
  const finish = useCallback<Writing['finish']>(
    async (journeyId, isSung) => {
      const { data } = await supabase
        .rpc('finish_journey', { p_journey_id: journeyId, p_sing: isSung })
        .throwOnError()
      return data as unknown as Answered
    },
    [supabase],
  )
  return { begin, add, finish }
}
