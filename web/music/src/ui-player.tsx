'use client'
/** A track from waiting to music. */

import { useRef, useState, type ReactElement } from 'react'

import { explain, type Language } from './index.js'
import { useMusic, useProgress, useSource, useTrack } from './react.js'
import type { Track } from './types.js'
import { useSourceOf } from './ui-audio.js'
import { TrackBadge } from './ui-badge.js'
import { PHRASES, timeLeft } from './ui-phrases.js'
import { TrackWords } from './ui-words.js'

export interface TrackPlayerProps {
  id: string
  /** The row as a server has read it. */
  initial?: Track | null
  language?: Language
  className?: string
}

/** One track from waiting to music: the stream first, then the file at the same position. */
export function TrackPlayer(props: TrackPlayerProps): ReactElement {
  return <Player key={props.id} {...props} /> // another track starts from nothing
}

function Player(props: TrackPlayerProps): ReactElement | null {
  const { id, initial, language = 'en', className = '' } = props
  const track = useTrack(id, { initial })
  const progress = useProgress(track)
  const source = useSource(track)
  const audio = useRef<HTMLAudioElement>(null)
  useSourceOf(audio, source)
  if (!track) return null
  const { phase } = progress
  const title = track.title ?? track.prompt ?? ''
  return (
    <section className={`music-player ${className}`} data-phase={phase} aria-label={title}>
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
