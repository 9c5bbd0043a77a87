'use client'
/** Components that show a track. `music-service/ui.css` makes them presentable; classes and variables are its hooks. */

import { useRef, useState, type ReactElement } from 'react'

import { explain, type Language } from './index.js'
import { useMusic, useProgress, useSource, useTrack } from './react.js'
import type { Phase, Track } from './types.js'
import { useSourceOf } from './ui-audio.js'
import { PHRASES, stateOf, timeLeft } from './ui-phrases.js'
import { TrackWords } from './ui-words.js'

export interface TrackBadgeProps {
  track: Track
  language?: Language
  className?: string
}

/** A spinner while a track is being made, a note when it is ready, an alert when it has failed. */
export function TrackBadge({ track, language = 'en', className }: TrackBadgeProps): ReactElement {
  const progress = useProgress(track)
  const said = stateOf(track, progress, language)
  return (
    <span
      className={classes('music-badge', className)}
      data-phase={progress.phase}
      role="status"
      title={said}
    >
      <svg viewBox="0 0 24 24" width="1em" height="1em" aria-hidden="true" focusable="false">
        <path d={ICONS[progress.phase]} />
      </svg>
      <span className="music-hidden">{said}</span>
    </span>
  )
}

const SPINNER = 'M12 3a9 9 0 1 0 9 9'
const NOTE = 'M9 18V5l11-2v13M9 18a3 3 0 1 1-6 0a3 3 0 0 1 6 0M20 16a3 3 0 1 1-6 0a3 3 0 0 1 6 0'
const ALERT = 'M12 3L22 20H2zM12 9v5M12 17v.01'
const ICONS: Record<Phase, string> = {
  waiting: SPINNER,
  making: SPINNER,
  late: SPINNER,
  done: NOTE,
  failed: ALERT,
}

export interface TrackPlayerProps {
  id: string
  /** The row as a server has read it. */
  initial?: Track | null
  language?: Language
  className?: string
}

/** One track from waiting to music: the stream first, then the file at the same position. */
export function TrackPlayer(props: TrackPlayerProps): ReactElement | null {
  const { id, initial, language = 'en', className } = props
  const track = useTrack(id, { initial })
  const progress = useProgress(track)
  const source = useSource(track)
  const audio = useRef<HTMLAudioElement>(null)
  useSourceOf(audio, source)
  if (!track) return null
  const { phase } = progress
  const title = track.title ?? track.prompt ?? ''
  return (
    <section className={classes('music-player', className)} data-phase={phase} aria-label={title}>
      <p className="music-title">
        <TrackBadge track={track} language={language} /> {title}
      </p>
      {phase !== 'done' && phase !== 'failed' && (
        <progress
          className="music-progress"
          value={progress.value}
          aria-label={timeLeft(track, progress, language)}
        />
      )}
      {phase === 'failed' && <Failure track={track} language={language} />}
      <audio
        ref={audio}
        className="music-audio"
        aria-label={title}
        hidden={!source}
        controls
        preload="metadata"
      />
      <TrackWords track={track} audio={audio} language={language} />
    </section>
  )
}

function Failure({ track, language }: { track: Track; language: Language }): ReactElement {
  const music = useMusic()
  const [refusal, setRefusal] = useState<string | null>(null)
  const { sentence, action } = explain(track, language)
  const retry = () => {
    music.retry(track.id).then(
      () => setRefusal(null),
      (error: Error) => setRefusal(error.message),
    )
  }
  return (
    <div className="music-failure" role="alert">
      <p>{refusal ?? sentence}</p>
      {action === 'retry' && (
        <button type="button" className="music-retry" onClick={retry}>
          {PHRASES[language].retry}
        </button>
      )}
    </div>
  )
}

function classes(...names: (string | undefined)[]): string {
  return names.filter(Boolean).join(' ')
}
