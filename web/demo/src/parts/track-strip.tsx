/** One piece of music on the page: where it stands, what can be done. */

import { Pause, Play, RotateCcw, Sparkles, X } from 'lucide-react'
import { explain, type Track } from 'music-service'
import { useMusic, useProgress, useTrack } from 'music-service/react'
import { TrackBadge } from 'music-service/ui'
import { useState, type ReactElement } from 'react'

import { usePlayer } from '../player.js'
import { usePreferences, useSay } from '../preferences.js'
import { tell } from '../toasts.js'

export interface TrackStripProps {
  initial: Track
  /** Which take of its entry it is, from 1; nothing is said where there is but one. */
  take: number | null
  /** Told of a track that has come, so that the page knows it. */
  onNew: () => void
}

export function TrackStrip({ initial, take, onNew }: TrackStripProps): ReactElement | null {
  const say = useSay()
  const { language } = usePreferences()
  const track = useTrack(initial.id, { initial })
  if (!track) return null
  return (
    <div data-testid="track" data-status={track.status} className="rounded-xl bg-wash/60 p-3">
      <div className="flex items-center gap-3">
        <PlayButton track={track} />
        <div className="min-w-0 flex-1">
          <p className="truncate text-sm font-medium">
            {track.title ?? say('untitled')}
            {take && <span className="font-normal text-soft"> · {say('take', { number: take })}</span>}
          </p>
          <p className="flex items-center gap-1.5 text-xs text-soft">
            <TrackBadge track={track} language={language} />
            <Standing track={track} />
          </p>
        </div>
        <Actions track={track} onNew={onNew} />
      </div>
      <Bar track={track} />
      {track.status === 'error' && (
        <p className="mt-2 text-sm text-alert">{explain(track, language).sentence}</p>
      )}
      {track.status === 'pending' && track.error_code && (
        <p className="mt-2 text-sm text-soft">{explain(track, language).sentence}</p>
      )}
    </div>
  )
}

function PlayButton({ track }: { track: Track }): ReactElement {
  const say = useSay()
  const player = usePlayer()
  const isNow = player.id === track.id
  const isPlaying = isNow && player.isPlaying
  const hasSound = track.status === 'completed' || !!track.stream_url || !!track.file_url
  const isEarly = track.status !== 'completed'
  return (
    <button
      type="button"
      className="inline-flex size-11 shrink-0 items-center justify-center rounded-full bg-accent text-accent-ink disabled:bg-line disabled:text-soft"
      aria-label={say(isPlaying ? 'pause' : isEarly && hasSound ? 'listenEarly' : 'play')}
      disabled={!hasSound}
      onClick={() => (isNow ? player.toggle() : player.play([track.id]))}
    >
      {isPlaying ? (
        <Pause size={18} fill="currentColor" aria-hidden />
      ) : (
        <Play size={18} fill="currentColor" className="ml-0.5" aria-hidden />
      )}
    </button>
  )
}

/** Seconds in steps of five, so that they do not flicker. */
function Standing({ track }: { track: Track }): ReactElement {
  const say = useSay()
  const { language } = usePreferences()
  const { phase, secondsLeft } = useProgress(track)
  const seconds = secondsLeft ? Math.ceil(secondsLeft / 5) * 5 : 0
  const length = track.duration_ms ? new Date(track.duration_ms).toISOString().slice(15, 19) : ''
  return (
    <span data-testid="phase">
      {phase === 'failed' ? explain(track, language).title : say(phase)}
      {phase === 'making' && seconds > 0 && `, ${say('left', { seconds })}`}
      {phase === 'done' && length && ` · ${length}`}
    </span>
  )
}

function Bar({ track }: { track: Track }): ReactElement | null {
  const say = useSay()
  const { value, phase } = useProgress(track)
  if (phase === 'done' || phase === 'failed') return null
  return (
    <div
      role="progressbar"
      aria-label={say(phase)}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(value * 100)}
      className="mt-3 h-1.5 overflow-hidden rounded-full bg-line"
    >
      {phase === 'waiting' ? (
        <div className="bar-unknown h-full" />
      ) : (
        <div
          className="h-full rounded-full bg-accent transition-[width] duration-500 ease-linear"
          style={{ width: `${value * 100}%` }}
        />
      )}
    </div>
  )
}

function Actions({ track, onNew }: { track: Track; onNew: () => void }): ReactElement {
  const say = useSay()
  const music = useMusic()
  const { language } = usePreferences()
  const [isBusy, setIsBusy] = useState(false)
  const run = async (call: () => Promise<unknown>) => {
    setIsBusy(true)
    try {
      await call()
    } catch (error) {
      tell('error', say('somethingWrong', { reason: (error as Error).message }))
    }
    setIsBusy(false)
  }
  if (track.status === 'pending' || track.status === 'generating') {
    return (
      <button
        type="button"
        className="button-icon"
        aria-label={say('cancel')}
        disabled={isBusy}
        onClick={() => void run(() => music.cancel(track.id))}
      >
        <X size={18} aria-hidden />
      </button>
    )
  }
  const canRetry = track.status === 'error' && explain(track, language).action === 'retry'
  if (canRetry) {
    return (
      <button
        type="button"
        className="button button-quiet"
        disabled={isBusy}
        onClick={() => void run(() => music.retry(track.id))}
      >
        <RotateCcw size={16} aria-hidden /> {say('retry')}
      </button>
    )
  }
  if (track.status !== 'completed') return <></>
  return (
    <button
      type="button"
      className="button-icon"
      aria-label={say('anotherTake')}
      title={say('anotherTake')}
      disabled={isBusy}
      onClick={() =>
        void run(async () => {
          await music.anotherTake(track.id)
          tell('message', say('takeStarted'))
          onNew()
        })
      }
    >
      <Sparkles size={18} aria-hidden />
    </button>
  )
}
