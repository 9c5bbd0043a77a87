/** What plays: a queue on two audio elements, so that one piece can fade into the next. */

import type { Source } from 'music-service'
import { useSource, useTrack } from 'music-service/react'
import { useAudioSource } from 'music-service/ui'
import {
  createContext,
  use,
  useCallback,
  useEffect,
  useMemo,
  useReducer,
  useRef,
  useState,
  type ReactElement,
  type ReactNode,
  type RefObject,
} from 'react'

const FADE_SECONDS = 3

interface Queue {
  ids: readonly string[]
  at: number
  /** Which of the two elements plays; the other one fades out, or is silent. */
  deck: 0 | 1
  decks: readonly [string | null, string | null]
  isWanted: boolean
}

type Wish =
  | { type: 'play'; ids: readonly string[]; at: number }
  | { type: 'go'; at: number }
  | { type: 'fade' }
  | { type: 'want'; isWanted: boolean }
  | { type: 'close' }

const SILENCE: Queue = { ids: [], at: 0, deck: 0, decks: [null, null], isWanted: false }

function queueAfter(queue: Queue, wish: Wish): Queue {
  switch (wish.type) {
    case 'play':
      return on(queue.deck, { ...queue, ids: wish.ids, at: wish.at, isWanted: true })
    case 'go':
      if (wish.at < 0 || wish.at >= queue.ids.length) return { ...queue, isWanted: false }
      return on(queue.deck, { ...queue, at: wish.at, isWanted: true })
    case 'fade':
      return on(queue.deck === 0 ? 1 : 0, { ...queue, at: queue.at + 1 })
    case 'want':
      return { ...queue, isWanted: wish.isWanted }
    case 'close':
      return SILENCE
  }
}

function on(deck: 0 | 1, queue: Queue): Queue {
  const id = queue.ids[queue.at] ?? null
  return { ...queue, deck, decks: deck === 0 ? [id, queue.decks[1]] : [queue.decks[0], id] }
}

export interface Player {
  /** The track that plays, or would; null where nothing was ever played. */
  id: string | null
  ids: readonly string[]
  at: number
  isPlaying: boolean
  audio: RefObject<HTMLAudioElement | null>
  volume: number
  setVolume: (volume: number) => void
  play: (ids: readonly string[], at?: number) => void
  toggle: () => void
  go: (at: number) => void
  close: () => void
}

const PlayerContext = createContext<Player | null>(null)

export function usePlayer(): Player {
  const player = use(PlayerContext)
  if (!player) throw new Error('There is no <PlayerProvider> above this component.')
  return player
}

export function PlayerProvider({ children }: { children: ReactNode }): ReactElement {
  const [queue, wish] = useReducer(queueAfter, SILENCE)
  const [isPlaying, setIsPlaying] = useState(false)
  const [volume, setVolume] = useState(1)
  const decks = [useRef<HTMLAudioElement>(null), useRef<HTMLAudioElement>(null)] as const
  const audio = decks[queue.deck]
  useFade(decks, queue.deck, volume)

  const toggle = useCallback(() => wish({ type: 'want', isWanted: !isPlaying }), [isPlaying])
  const play = useCallback(
    (ids: readonly string[], at = 0) => wish({ type: 'play', ids, at }),
    [],
  )
  const go = useCallback((at: number) => wish({ type: 'go', at }), [])
  const close = useCallback(() => wish({ type: 'close' }), [])
  const player = useMemo(
    () => ({
      id: queue.decks[queue.deck],
      ids: queue.ids,
      at: queue.at,
      isPlaying,
      audio,
      volume,
      setVolume,
      play,
      toggle,
      go,
      close,
    }),
    [queue, isPlaying, audio, volume, play, toggle, go, close],
  )
  const hasNext = queue.at + 1 < queue.ids.length
  return (
    <PlayerContext value={player}>
      {children}
      {([0, 1] as const).map((deck) => (
        <Deck
          key={deck}
          id={queue.decks[deck]}
          audio={decks[deck]}
          isActive={deck === queue.deck}
          isWanted={queue.isWanted}
          onPlaying={setIsPlaying}
          onWanted={(isWanted) => wish({ type: 'want', isWanted })}
          onNearEnd={hasNext ? () => wish({ type: 'fade' }) : undefined}
          onEnd={() => wish({ type: 'go', at: queue.at + 1 })}
        />
      ))}
    </PlayerContext>
  )
}

interface DeckProps {
  id: string | null
  audio: RefObject<HTMLAudioElement | null>
  isActive: boolean
  isWanted: boolean
  onPlaying: (isPlaying: boolean) => void
  onWanted: (isWanted: boolean) => void
  onNearEnd: (() => void) | undefined
  onEnd: () => void
}

function Deck(props: DeckProps): ReactElement {
  const { id, audio, isActive, isWanted, onPlaying, onWanted, onNearEnd, onEnd } = props
  const [source, setSource] = useState<Source | null>(null)
  const isStream = source?.isStream ?? true
  useEffect(() => {
    if (id === null) audio.current?.pause()
  }, [audio, id])
  useEffect(() => {
    const element = audio.current
    if (!element || !isActive || !source) return
    if (!isWanted) element.pause()
    // A browser that wants a click first says so here.
    else element.play().catch((error: Error) => error.name === 'NotAllowedError' && onWanted(false))
    // `onWanted` is another function each time, of one meaning.
  }, [audio, isActive, isWanted, source, id])
  const tell = () => isActive && onPlaying(!audio.current?.paused)
  return (
    <>
      {id !== null && <Feed key={id} id={id} audio={audio} onSource={setSource} />}
      <audio
        ref={audio}
        preload="auto"
        onPlay={tell}
        onPause={() => {
          tell()
          // Stopped by a key of the keyboard or by another program, not by us.
          if (isActive && isWanted && !audio.current?.ended && !isStream) onWanted(false)
        }}
        onEnded={() => isActive && !isStream && onEnd()}
        onTimeUpdate={({ currentTarget: { currentTime, duration } }) => {
          if (isActive && !isStream && duration > 3 * FADE_SECONDS) {
            if (duration - currentTime < FADE_SECONDS) onNearEnd?.()
          }
        }}
      />
    </>
  )
}

/** Gives a deck what one track has to play; the next track starts from nothing. */
function Feed(props: {
  id: string
  audio: RefObject<HTMLAudioElement | null>
  onSource: (source: Source | null) => void
}): null {
  const { id, audio, onSource } = props
  const source = useSource(useTrack(id))
  useAudioSource(audio, source)
  useEffect(() => onSource(source), [source, onSource])
  return null
}

/** After a change of decks the new one grows loud while the old one dies away. */
function useFade(
  decks: readonly [RefObject<HTMLAudioElement | null>, RefObject<HTMLAudioElement | null>],
  active: 0 | 1,
  volume: number,
): void {
  const last = useRef(active)
  const loudness = useRef(volume)
  loudness.current = volume
  useEffect(() => {
    const [rising, falling] = active === 0 ? decks : [decks[1], decks[0]]
    if (last.current === active) {
      if (rising.current) rising.current.volume = volume
      return
    }
    last.current = active
    const began = performance.now()
    const timer = setInterval(() => {
      const share = Math.min((performance.now() - began) / 1000 / FADE_SECONDS, 1)
      if (rising.current) rising.current.volume = loudness.current * share
      if (falling.current) falling.current.volume = loudness.current * (1 - share)
      if (share < 1) return
      clearInterval(timer)
      falling.current?.pause()
    }, 50)
    return () => clearInterval(timer)
    // `decks` are the same two all the time.
  }, [active, volume])
}

/** Seconds of what plays; four times a second, which is what an element tells. */
export function usePosition(audio: RefObject<HTMLAudioElement | null>): {
  seconds: number
  length: number
} {
  const [position, setPosition] = useState({ seconds: 0, length: 0 })
  useEffect(() => {
    const element = audio.current
    if (!element) return
    const look = () => {
      const { currentTime, duration } = element
      setPosition({ seconds: currentTime, length: Number.isFinite(duration) ? duration : 0 })
    }
    const moments = ['timeupdate', 'durationchange', 'seeked', 'emptied'] as const
    moments.forEach((moment) => element.addEventListener(moment, look))
    look()
    return () => moments.forEach((moment) => element.removeEventListener(moment, look))
  }, [audio, audio.current])
  return position
}
