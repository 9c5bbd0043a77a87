/** What a track is, and what is said about it. Types alone: nothing of this is there at run time. */

import type { SupabaseLike } from './client.js'

export type TrackStatus = 'pending' | 'generating' | 'completed' | 'error'

export type TrackStage = 'preparing' | 'queued' | 'running' | 'streaming' | 'reviewing'

export type TrackErrorCode =
  | 'invalid_request'
  | 'moderation_blocked'
  | 'generation_failed'
  | 'generation_timeout'
  | 'over_budget'
  | 'quota_exhausted'
  | 'provider_auth'
  | 'rate_limited'
  | 'provider_unavailable'
  | 'audio_invalid'
  | 'storage_failed'
  | 'submission_unknown'
  | 'cancelled'
  | 'attempts_exhausted'
  | 'internal'

export type AudioFormat = 'mp3' | 'wav' | 'flac'

/** One file of a track; `url` is null with a private bucket. */
export interface AudioFile {
  path: string
  url: string | null
  bytes: number
}

/** A row of `music_tracks`. Times are ISO strings, lengths milliseconds. */
export interface Track {
  id: string
  user_id: string | null
  journey_id: string | null
  parent_id: string | null
  prompt: string | null
  title: string | null
  lyrics: string | null
  lyrics_prompt: string | null
  vocal_gender: 'female' | 'male' | null
  model: string | null
  audio_formats: AudioFormat[]
  genre: string | null
  mood: string | null
  tempo: string | null
  duration: number | null
  status: TrackStatus
  stage: TrackStage | null
  expected_ready_at: string | null
  stream_url: string | null
  file_url: string | null
  storage_path: string | null
  audio_files: Partial<Record<AudioFormat, AudioFile>> | null
  mureka_song_id: string | null
  duration_ms: number | null
  error_code: TrackErrorCode | null
  error_message: string | null
  priority: number
  run_after: string
  attempts: number
  created_at: string
  updated_at: string
  started_at: string | null
  completed_at: string | null
}

/** What an app may set when it asks for a track. */
export interface NewTrack {
  /** Choose it yourself and a repeated call does no harm; made here where it is left out. */
  id?: string
  prompt: string
  title?: string | null
  lyrics?: string | null
  lyrics_prompt?: string | null
  vocal_gender?: 'female' | 'male' | null
  model?: string | null
  audio_formats?: AudioFormat[]
  genre?: string | null
  mood?: string | null
  tempo?: string | null
  duration?: number | null
  journey_id?: string | null
  parent_id?: string | null
}

/** What a user can do about a track that waits or has failed. */
export type Action = 'wait' | 'retry' | 'reword' | 'none'

/** How changes are heard at this moment; of the connection, not of any track. */
export type Connection = 'idle' | 'connecting' | 'live' | 'polling' | 'offline'

export type Phase = 'waiting' | 'making' | 'late' | 'done' | 'failed'

/** How far a track is, as nearly as can be known: Mureka tells no percentage. */
export interface Progress {
  /** 0 to 1; at most 0.9 until the track is completed, and never less than before. */
  value: number
  phase: Phase
  /** Seconds until it is probably ready; null where nobody knows. */
  secondsLeft: number | null
}

/** Where to play a track from; `isStream` while it is being made. */
export interface Source {
  url: string
  isStream: boolean
  /** When a signed address ends, in milliseconds since 1970; null where it does not. */
  expiresAt: number | null
}

/** What an error code means, for a person. */
export interface Explanation {
  title: string
  sentence: string
  action: Action
}

/** Words in time; milliseconds from the beginning of the music. */
export interface TimedWord {
  start_ms: number
  end_ms: number
  text: string
}

export interface TimedLine extends TimedWord {
  words: TimedWord[]
}

export interface TimedSection {
  type: string
  start_ms: number
  end_ms: number
  lines: TimedLine[]
}

/** A change of a followed track: the row, or that it is gone. */
export type TrackChange = Track | null

export interface WaitOptions {
  signal?: AbortSignal
  timeoutMs?: number
}

export interface FollowOptions {
  signal?: AbortSignal
}

export type Stop = () => void

/** What happened to a track, told once for each time that it happens. */
export type TrackEvent =
  | { type: 'started'; track: Track }
  | { type: 'completed'; track: Track }
  | { type: 'failed'; track: Track }
  | { type: 'changed'; track: Track }
  | { type: 'deleted'; id: string }

/** Everything about the tracks of one Supabase client; `createMusic` makes it. */
export interface Music {
  /** The Supabase client that it was made of. */
  readonly client: SupabaseLike
  /** Where the audio is. */
  readonly bucket: string
  /** Ask for a track. Repeating it with the same id does no harm. */
  create(track: NewTrack): Promise<Track>
  /** Try a failed track again. */
  retry(id: string): Promise<Track>
  /** End a track that waits or is being made. */
  cancel(id: string): Promise<Track>
  /** Ask for the same music once more. */
  anotherTake(id: string): Promise<Track>
  /** Tell of the track now and after each change, in order, until it has ended; null: it is gone. */
  watch(id: string, onChange: (track: TrackChange) => void): Stop
  /** The same as an iterator; ends with the track, throws MusicError `deleted` where it is gone. */
  follow(id: string, options?: FollowOptions): AsyncIterableIterator<Track>
  /** The track once it is completed or in error. */
  wait(id: string, options?: WaitOptions): Promise<Track>
  /** The user's tracks that have not ended, oldest first. */
  unfinished(): Promise<Track[]>
  /** Told of every track that this client follows or hears of. */
  onTrack(listener: (event: TrackEvent) => void): Stop
  /** For stores such as `useSyncExternalStore`: told when `get(id)` answers something else. */
  subscribe(id: string, listener: () => void): Stop
  /** The row as it is known, without asking: undefined not yet, null gone. */
  get(id: string): Track | null | undefined
  /** Take a row that somebody else has read, such as a server. */
  put(track: Track): void
  readonly connection: Connection
  onConnection(listener: (connection: Connection) => void): Stop
  /** Read all that is followed and join again at once: where no browser tells that a user is back. */
  refresh(): void
  /** Close everything; the next call opens it again. */
  dispose(): void
}
