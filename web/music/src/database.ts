/**
 * The types of the tables and functions that apps use, for `createClient<Database>`: as the Supabase
 * CLI generates them, made narrower by what checks in the database allow.
 */

import type { Database as Generated } from './generated.js'
import type { NewTrack, TimedSection, Track } from './types.js'

type Tables = Generated['public']['Tables']
type Functions = Generated['public']['Functions']

/** As `A`, but for what `B` says; an interface would not do for the client. */
type Narrowed<A, B> = { [Key in keyof Omit<A, keyof B>]: A[Key] } & B
type Plain<T> = { [Key in keyof T]: T[Key] }

export type TrackRow = Plain<Track>

/** What an app may change: retry, cancel, and the title. */
export type TrackUpdate = { status?: 'pending' | 'error'; title?: string | null }

export type TimedLyricsRow = Narrowed<
  Tables['music_timed_lyrics']['Row'],
  { sections: TimedSection[] }
>

/** What each of the three functions of a reading journey answers. */
export type JourneyStep = {
  journey: Tables['journeys']['Row']
  log: Tables['reading_logs']['Row']
  track: TrackRow
}

type Step<Name extends keyof Functions> = Narrowed<Functions[Name], { Returns: JourneyStep }>

export type Database = {
  public: {
    Tables: {
      journeys: Tables['journeys']
      reading_logs: Tables['reading_logs']
      music_timed_lyrics: Narrowed<
        Tables['music_timed_lyrics'],
        { Row: TimedLyricsRow; Insert: Record<string, never>; Update: Record<string, never> }
      >
      music_tracks: Narrowed<
        Tables['music_tracks'],
        { Row: TrackRow; Insert: Plain<NewTrack>; Update: TrackUpdate }
      >
    }
    Views: Record<never, never>
    Functions: {
      create_journey: Step<'create_journey'>
      add_reading_log: Step<'add_reading_log'>
      finish_journey: Step<'finish_journey'>
      music_another_take: Narrowed<Functions['music_another_take'], { Returns: TrackRow[] }>
    }
    Enums: Generated['public']['Enums']
    CompositeTypes: Generated['public']['CompositeTypes']
  }
}
