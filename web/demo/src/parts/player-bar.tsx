/** The bar at the bottom of every page: what plays, its waveform, its words. */

import { Download, ListMusic, MicVocal, Pause, Play, SkipBack, SkipForward, Volume2, X } from 'lucide-react'
import type { Track } from 'music-service'
import { useSource, useTrack } from 'music-service/react'
import { TrackWords } from 'music-service/ui'
import { lazy, Suspense, useEffect, useState, type ReactElement } from 'react'

import { usePlayer, usePosition } from '../player.js'
import { usePreferences, useSay } from '../preferences.js'

const Waveform = lazy(() => import('./waveform.js'))

export default function PlayerBar(): ReactElement | null {
  const player = usePlayer()
  const track = useTrack(player.id)
  return track ? <Bar track={track} /> : null
}

function Bar({ track }: { track: Track }): ReactElement {
  const player = usePlayer()
  const { language } = usePreferences()
  const say = useSay()
  const source = useSource(track)
  const [shown, setShown] = useState<'words' | 'queue' | null>(null)
  const title = track.title ?? say('untitled')
  useMediaSession(title, track)
  const toggleShown = (what: 'words' | 'queue') => setShown(shown === what ? null : what)
  return (
    <section
      aria-label={title}
      className="fixed inset-x-0 bottom-0 z-30 border-t border-line bg-sheet/95 pb-[env(safe-area-inset-bottom)] shadow-[0_-8px_32px_rgb(0_0_0/0.08)] backdrop-blur"
    >
      {shown === 'words' && (
        <div className="player-words mx-auto max-w-3xl px-4 pt-4 font-serif text-lg">
          {track.lyrics ? (
            <TrackWords track={track} audio={player.audio} language={language} />
          ) : (
            <p className="pb-3 text-base text-soft">{say('noLyrics')}</p>
          )}
        </div>
      )}
      {shown === 'queue' && <Queue />}
      <div className="mx-auto grid max-w-6xl grid-cols-[auto_1fr_auto] items-center gap-x-3 px-3 py-2 sm:px-6 md:grid-cols-[auto_minmax(10rem,16rem)_1fr_auto]">
        <div className="flex items-center">
          <button
            type="button"
            className="button-icon max-sm:hidden"
            aria-label={say('previous')}
            disabled={player.at === 0}
            onClick={() => player.go(player.at - 1)}
          >
            <SkipBack size={18} aria-hidden />
          </button>
          <button
            type="button"
            className="inline-flex size-11 items-center justify-center rounded-full bg-accent text-accent-ink"
            aria-label={say(player.isPlaying ? 'pause' : 'play')}
            onClick={player.toggle}
          >
            {player.isPlaying ? (
              <Pause size={20} fill="currentColor" aria-hidden />
            ) : (
              <Play size={20} fill="currentColor" className="ml-0.5" aria-hidden />
            )}
          </button>
          <button
            type="button"
            className="button-icon"
            aria-label={say('next')}
            disabled={player.at + 1 >= player.ids.length}
            onClick={() => player.go(player.at + 1)}
          >
            <SkipForward size={18} aria-hidden />
          </button>
        </div>
        <div className="min-w-0">
          <p className="truncate text-sm font-medium" data-testid="now-playing">
            {title}
          </p>
          <p className="truncate text-xs text-soft">
            {source?.isStream ? say('nowLive') : <Clock />}
          </p>
        </div>
        <div className="order-last col-span-full md:order-none md:col-span-1">
          {source && !source.isStream ? (
            <Suspense fallback={<Seek />}>
              <Waveform url={source.url} fallback={<Seek />} />
            </Suspense>
          ) : (
            <div className="bar-unknown h-1 rounded-full bg-line" aria-hidden />
          )}
        </div>
        <div className="flex items-center">
          <label className="mr-1 hidden items-center gap-1.5 text-soft lg:flex">
            <Volume2 size={18} aria-hidden />
            <span className="sr-only">{say('volume')}</span>
            <input
              type="range"
              min={0}
              max={1}
              step={0.05}
              value={player.volume}
              onChange={({ target }) => player.setVolume(target.valueAsNumber)}
              className="w-20 accent-accent"
            />
          </label>
          <button
            type="button"
            className="button-icon"
            aria-label={say('lyrics')}
            aria-expanded={shown === 'words'}
            onClick={() => toggleShown('words')}
          >
            <MicVocal size={18} aria-hidden />
          </button>
          <button
            type="button"
            className="button-icon max-sm:hidden"
            aria-label={say('queue')}
            aria-expanded={shown === 'queue'}
            onClick={() => toggleShown('queue')}
          >
            <ListMusic size={18} aria-hidden />
          </button>
          {source && !source.isStream && (
            <a
              className="button-icon max-sm:hidden"
              href={source.url}
              download={`${title}.mp3`}
              aria-label={say('download')}
            >
              <Download size={18} aria-hidden />
            </a>
          )}
          <button
            type="button"
            className="button-icon"
            aria-label={say('closePlayer')}
            onClick={player.close}
          >
            <X size={18} aria-hidden />
          </button>
        </div>
      </div>
    </section>
  )
}

function Clock(): ReactElement {
  const { audio } = usePlayer()
  const { seconds, length } = usePosition(audio)
  return (
    <span className="tabular-nums">
      {inMinutes(seconds)} / {inMinutes(length)}
    </span>
  )
}

/** A plain slider: until the waveform is drawn, and for whoever cannot see one. */
function Seek(): ReactElement {
  const { audio } = usePlayer()
  const say = useSay()
  const { seconds, length } = usePosition(audio)
  return (
    <input
      type="range"
      aria-label={say('position')}
      aria-valuetext={inMinutes(seconds)}
      min={0}
      max={length || 1}
      step={0.1}
      value={Math.min(seconds, length || 1)}
      onChange={({ target }) => {
        if (audio.current) audio.current.currentTime = target.valueAsNumber
      }}
      className="h-10 w-full accent-accent"
    />
  )
}

function Queue(): ReactElement {
  const player = usePlayer()
  const say = useSay()
  return (
    <ol className="mx-auto max-h-[45vh] max-w-3xl overflow-y-auto px-4 pt-3" aria-label={say('queue')}>
      {player.ids.map((id, at) => (
        <Queued key={id} id={id} isNow={at === player.at} onClick={() => player.go(at)} />
      ))}
    </ol>
  )
}

function Queued(props: { id: string; isNow: boolean; onClick: () => void }): ReactElement {
  const say = useSay()
  const track = useTrack(props.id)
  return (
    <li aria-current={props.isNow || undefined}>
      <button
        type="button"
        className="w-full truncate rounded-lg px-3 py-2 text-left text-sm hover:bg-wash [[aria-current]>&]:font-semibold [[aria-current]>&]:text-accent"
        onClick={props.onClick}
      >
        {track?.title ?? say('untitled')}
      </button>
    </li>
  )
}

function inMinutes(seconds: number): string {
  const whole = Math.floor(seconds)
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}

/** The lock screen, the keys of a keyboard, the button of a headset. */
function useMediaSession(title: string, track: Track): void {
  const player = usePlayer()
  useEffect(() => {
    if (!('mediaSession' in navigator)) return
    const session = navigator.mediaSession
    session.metadata = new MediaMetadata({ title, artist: 'Marginalia' })
    session.playbackState = player.isPlaying ? 'playing' : 'paused'
    session.setActionHandler('play', player.toggle)
    session.setActionHandler('pause', player.toggle)
    session.setActionHandler('nexttrack', () => player.go(player.at + 1))
    session.setActionHandler('previoustrack', () => player.go(Math.max(player.at - 1, 0)))
  }, [title, track.id, player])
}
