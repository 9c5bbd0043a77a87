'use client'
/** Hooks for React 18 and newer. Each reads the one `Music` that `MusicProvider` gives. */

import {
  createContext,
  createElement,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
  type ReactElement,
  type ReactNode,
  type RefObject,
} from 'react'

import { newId } from './id.js'
import { progressOf, sourceOf, type MusicError } from './index.js'
import type {
  Connection,
  Music,
  NewTrack,
  Progress,
  Source,
  Stop,
  Track,
  TrackEvent,
  TrackStage,
  TrackStatus,
} from './types.js'

const MusicContext = createContext<Music | null>(null)

export interface MusicProviderProps {
  /** What `createMusic(supabase)` answers. */
  music: Music
  children?: ReactNode
}

/** Gives every hook below it the tracks of one Supabase client. */
export function MusicProvider({ music, children }: MusicProviderProps): ReactElement {
  return createElement(MusicContext.Provider, { value: music }, children)
}

/** What `MusicProvider` was given. */
export function useMusic(): Music {
  const music = useContext(MusicContext)
  if (!music) throw new Error('There is no <MusicProvider> above this component.')
  return music
}

/** How changes are heard at this moment; `idle` on a server. */
export function useConnection(): Connection {
  const music = useMusic()
  return useSyncExternalStore(
    useCallback((listener) => music.onConnection(listener), [music]),
    () => music.connection,
    () => 'idle',
  )
}

/** The value of the last picture, for what outlives it. */
function useLatest<Value>(value: Value): RefObject<Value> {
  const latest = useRef(value)
  latest.current = value
  return latest
}

// --- Tracks --------------------------------------------------------------------------------------

export interface UseTrackOptions {
  /** A row that somebody else has read, such as a server: shown at once, also while rendering there. */
  initial?: Track | null | undefined
}

/** The row, followed until it has ended: undefined is not read yet, null is gone. */
export function useTrack(
  id?: string | null,
  { initial }: UseTrackOptions = {},
): Track | null | undefined {
  const known = useRows(id ? [id] : [], initial ? [initial] : [])
  return known[0]
}

export interface UseTracksOptions {
  /** Rows that somebody else has read, such as a server. */
  initial?: readonly Track[]
}

/**
 * The rows with these ids, in their order; one that is not read yet, or gone, is left out.
 * Without ids: the user's tracks that are being made, or were since this is shown, the latest first.
 */
export function useTracks(
  ids?: readonly string[],
  { initial = [] }: UseTracksOptions = {},
): Track[] {
  const heardOf = useHeardOf(ids === undefined)
  const rows = useRows(ids ?? [...new Set([...heardOf, ...initial.map(({ id }) => id)])], initial)
  return useMemo(() => rows.filter((row) => row != null), [rows])
}

type Rows = readonly (Track | null | undefined)[]

function useRows(ids: readonly string[], initial: readonly Track[]): Rows {
  const music = useMusic()
  const given = useLatest(initial)
  const key = ids.join()
  const [subscribe, snapshot, first] = useMemo(() => {
    const ids = key ? key.split(',') : []
    const rowsBy = (get: (id: string) => Track | null | undefined) => {
      let last: Rows = []
      return () => {
        const rows = ids.map((id) => get(id))
        const isSame = rows.length === last.length && rows.every((row, at) => row === last[at])
        return isSame ? last : (last = rows)
      }
    }
    const initially = (id: string) => given.current.find((row) => row.id === id)
    const follow = (listener: () => void): Stop => {
      const stops = ids.map((id) => {
        const row = initially(id)
        if (row) music.put(row)
        return music.subscribe(id, listener)
      })
      return () => stops.forEach((stop) => stop())
    }
    const now = (id: string) => {
      const row = music.get(id)
      return row === undefined ? initially(id) : row
    }
    return [follow, rowsBy(now), rowsBy(initially)]
  }, [music, key])
  return useSyncExternalStore(subscribe, snapshot, first)
}

/** Ids of what is being made, or was since this is shown, the latest first. */
function useHeardOf(isWanted: boolean): readonly string[] {
  const music = useMusic()
  const [ids, setIds] = useState<readonly string[]>([])
  useEffect(() => {
    if (!isWanted) return
    let isOver = false
    const add = (tracks: Track[]) => {
      const found = tracks.map(({ id }) => id)
      if (isOver) return
      setIds((ids) =>
        found.every((id) => ids.includes(id)) ? ids : [...new Set([...found, ...ids])],
      )
    }
    const takeUp = () =>
      music.unfinished().then(
        (tracks) => add(tracks.reverse()),
        () => undefined, // once more when there is a connection
      )
    const stops = [
      music.onTrack((event) => {
        // Many a row is read that ended long ago.
        if ('track' in event && !(event.type === 'changed' && hasEnded(event.track)))
          add([event.track])
      }),
      music.onConnection((connection) => /live|polling/.test(connection) && takeUp()),
    ]
    void takeUp()
    return () => {
      isOver = true
      stops.forEach((stop) => stop())
    }
  }, [music, isWanted])
  return ids
}

export interface TrackHandlers {
  onStarted?: (track: Track) => void
  onCompleted?: (track: Track) => void
  onFailed?: (track: Track) => void
}

/** Calls back once for each time that any track of the user starts, is completed or fails. */
export function useTrackEvents(handlers: TrackHandlers): void {
  const music = useMusic()
  const latest = useLatest(handlers)
  useEffect(
    () =>
      music.onTrack((event: TrackEvent) => {
        const { onStarted, onCompleted, onFailed } = latest.current
        if (event.type === 'started') onStarted?.(event.track)
        if (event.type === 'completed') onCompleted?.(event.track)
        if (event.type === 'failed') onFailed?.(event.track)
      }),
    [music],
  )
}

// --- Asking for music ----------------------------------------------------------------------------

export interface CreateTrack {
  /** Ask for a track. Until it is there the same request has the same id: it is paid for once. */
  create: (track: NewTrack) => Promise<Track>
  isCreating: boolean
  /** The last one that was asked for, followed until it has ended. */
  track: Track | null | undefined
  error: MusicError | null
}

/** Asks for tracks, and follows the last one. */
export function useCreateTrack(): CreateTrack {
  return useCreating()[0]
}

function useCreating(
  takenUp?: string | null,
): [creating: CreateTrack, setError: (error: MusicError | null) => void] {
  const music = useMusic()
  const given = takenUp || null
  const latest = useLatest(given)
  const [made, setMade] = useState<{ id: string; insteadOf: string | null }>()
  const [error, setError] = useState<MusicError | null>(null)
  useEffect(() => setError(null), [given])
  const [calls, setCalls] = useState(0)
  const asked = useRef<{ request: string; id: string }>(undefined)
  const create = useCallback(
    async (track: NewTrack) => {
      const insteadOf = latest.current
      const request = JSON.stringify(track)
      const isAgain = request === asked.current?.request
      const id = track.id ?? (isAgain ? asked.current!.id : newId())
      asked.current = { request, id }
      setError(null)
      setCalls((calls) => calls + 1)
      try {
        const created = await music.create({ ...track, id })
        asked.current = undefined
        setMade({ id, insteadOf })
        return created
      } catch (error) {
        setError(error as MusicError)
        throw error
      } finally {
        setCalls((calls) => calls - 1)
      }
    },
    [music],
  )
  if (made && made.insteadOf !== given) setMade(undefined) // another one was taken up since
  const track = useTrack(made?.id ?? given)
  return [{ create, isCreating: calls > 0, track, error }, setError]
}

export interface MusicGeneration {
  /** Ask for music; never rejects, the reason is in `error`. */
  triggerGeneration: (track: NewTrack) => Promise<Track | null>
  retry: () => Promise<Track | null>
  cancel: () => Promise<Track | null>
  track: Track | null | undefined
  status: TrackStatus | 'idle'
  stage: TrackStage | null
  /** 0 to 1. */
  progress: number
  isGenerating: boolean
  /** Unfinished music, to be played while it is made. */
  streamUrl: string | null
  /** The finished music; signed where the bucket is private. */
  fileUrl: string | null
  /** Why it failed, as a sentence for the user. */
  error: string | null
}

/** One track from the wish to the music; `id` takes up one that exists, as after a reload. */
export function useMusicGeneration(id?: string | null): MusicGeneration {
  const music = useMusic()
  const [{ create, isCreating, track, error }, setError] = useCreating(id)
  const source = useSource(track)
  const progress = useProgress(track)
  const trackId = useLatest(track?.id)
  const calls = useMemo(() => {
    const guarded = async (call: () => Promise<Track | null>): Promise<Track | null> => {
      setError(null)
      try {
        return await call()
      } catch (error) {
        setError(error as MusicError)
        return null
      }
    }
    const turn = (name: 'retry' | 'cancel') => () =>
      guarded(async () => (trackId.current ? music[name](trackId.current) : null))
    return {
      triggerGeneration: (track: NewTrack) => guarded(() => create(track)),
      retry: turn('retry'),
      cancel: turn('cancel'),
    }
  }, [music, create, setError])
  const status = track?.status ?? (isCreating ? 'pending' : 'idle')
  return {
    ...calls,
    track,
    status,
    stage: track?.stage ?? null,
    progress: progress.value,
    isGenerating: isCreating || !(status === 'idle' || hasEnded(track)),
    streamUrl: track?.stream_url ?? null,
    fileUrl: track?.file_url ?? (source && !source.isStream ? source.url : null),
    error: error?.message ?? (track?.status === 'error' ? track.error_message : null),
  }
}

// --- What is shown of a track --------------------------------------------------------------------

/** An unknown status counts as unfinished. */
function hasEnded(track: Track | null | undefined): boolean {
  return track?.status === 'completed' || track?.status === 'error'
}

/** Where to play the track from, renewed before a signed address ends; null while there is nothing. */
export function useSource(track: Track | null | undefined): Source | null {
  const music = useMusic()
  const [[id, source], setFound] = useState<[id?: string | undefined, source?: Source | null]>([])
  const latest = useLatest(track)
  const key = track && [track.id, track.stream_url, track.file_url, track.storage_path].join()
  useEffect(() => {
    let isOver = false
    let timer: ReturnType<typeof setTimeout>
    const find = async () => {
      const { current: track } = latest
      const found = track ? await sourceOf(music, track).catch(() => undefined) : null
      if (isOver) return
      if (found !== undefined) setFound([track?.id, found])
      const endsAt = found === undefined ? Date.now() : found?.expiresAt // once more soon, where it failed
      if (endsAt) timer = setTimeout(find, Math.max(endsAt - Date.now() - RENEW_EARLY_MS, AGAIN_MS))
    }
    void find()
    return () => {
      isOver = true
      clearTimeout(timer)
    }
  }, [music, key])
  return (track?.id === id && source) || null
}

const RENEW_EARLY_MS = 60_000
const AGAIN_MS = 5_000

const NOTHING: Progress = { value: 0, phase: 'waiting', secondsLeft: null }
const TICK_MS = 500

/** How far a track is. It moves by itself, and stops while the page is hidden and at the end. */
export function useProgress(track: Track | null | undefined): Progress {
  const isMoving = track && !hasEnded(track)
  const now = useSyncExternalStore(
    isMoving ? clock.subscribe : never,
    () => clock.now,
    () => (track ? Date.parse(track.updated_at) : 0), // the same on the server and in the browser
  )
  return track ? progressOf(track, now) : NOTHING
}

const never = (): Stop => () => undefined

/** One clock for all bars of a page. */
const clock = (() => {
  const listeners = new Set<() => void>()
  let timer: ReturnType<typeof setInterval> | undefined
  const tick = () => {
    clock.now = Date.now()
    listeners.forEach((listener) => listener())
  }
  const page: Document | undefined = globalThis.document // none in React Native
  const wind = () => {
    clearInterval(timer)
    if (!listeners.size || page?.hidden) return
    timer = setInterval(tick, TICK_MS)
    tick()
  }
  return {
    now: Date.now(),
    subscribe(listener: () => void): Stop {
      listeners.add(listener)
      if (listeners.size === 1) {
        page?.addEventListener('visibilitychange', wind)
        wind()
      }
      return () => {
        listeners.delete(listener)
        if (listeners.size) return
        page?.removeEventListener('visibilitychange', wind)
        wind()
      }
    },
  }
})()
