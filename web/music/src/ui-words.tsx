'use client'
/** The words of a song, marked as they are sung. */

import { useEffect, useMemo, useRef, useState, type ReactElement, type RefObject } from 'react'

import { timedLyrics, type Language } from './index.js'
import { useMusic } from './react.js'
import type { TimedLine, TimedSection, Track } from './types.js'
import { PHRASES } from './ui-phrases.js'

export interface TrackWordsProps {
  track: Track
  audio: RefObject<HTMLAudioElement | null>
  language: Language
}

/** The lines of a completed song; each is a button that goes to it. */
export function TrackWords({ track, audio, language }: TrackWordsProps): ReactElement | null {
  const lines = useLines(track)
  const now = useNow(audio, lines)
  const list = useRef<HTMLOListElement>(null)
  useEffect(() => {
    const { current: box } = list
    const item = box?.children[now.line]
    // The list alone is moved: where a reader is on the page is theirs.
    if (box && item instanceof HTMLElement)
      box.scrollTop = item.offsetTop - (box.clientHeight - item.clientHeight) / 2
  }, [now.line])
  if (!lines.length) return null
  return (
    <ol ref={list} className="music-words" aria-label={PHRASES[language].lyrics}>
      {lines.map((line, index) => (
        <li key={index} aria-current={index === now.line || undefined}>
          <button type="button" className="music-line" onClick={() => goTo(audio, line.start_ms)}>
            {line.words.length ? marked(line, index === now.line ? now.word : -1) : line.text}
          </button>
        </li>
      ))}
    </ol>
  )
}

function marked(line: TimedLine, now: number): ReactElement[] {
  return line.words.map((word, index) => (
    <span key={index} className="music-word" data-now={index === now || undefined}>
      {word.text}
      {index < line.words.length - 1 && ' '}
    </span>
  ))
}

function goTo(audio: RefObject<HTMLAudioElement | null>, ms: number): void {
  if (!audio.current) return
  audio.current.currentTime = ms / 1000
  audio.current.play().catch(() => undefined) // the browser may want a click first
}

function useLines(track: Track): TimedLine[] {
  const music = useMusic()
  const [sections, setSections] = useState<TimedSection[]>([])
  const isSong = track.status === 'completed' && track.lyrics !== null
  useEffect(() => {
    if (!isSong) return
    let isOver = false
    timedLyrics(music, track.id).then(
      (sections) => isOver || setSections(sections),
      () => undefined, // the music plays without them
    )
    return () => {
      isOver = true
    }
  }, [music, track.id, track.storage_path, isSong])
  return useMemo(
    () => (isSong ? sections.flatMap(({ lines }) => lines) : []),
    [isSong, sections],
  )
}

const SILENCE = { line: -1, word: -1 }

/** Line and word that are sung; looked up with each picture while the audio plays. */
function useNow(audio: RefObject<HTMLAudioElement | null>, lines: TimedLine[]): typeof SILENCE {
  const [now, setNow] = useState(SILENCE)
  useEffect(() => {
    const element = audio.current
    if (!element || !lines.length) return
    let frame = 0
    const look = () => {
      const ms = element.currentTime * 1000
      const line = at(lines, ms)
      const word = at(lines[line]?.words ?? [], ms)
      setNow((now) => (now.line === line && now.word === word ? now : { line, word }))
      cancelAnimationFrame(frame)
      if (!element.paused) frame = requestAnimationFrame(look)
    }
    const moments = ['play', 'seeked', 'pause', 'ended'] as const
    moments.forEach((moment) => element.addEventListener(moment, look))
    look()
    return () => {
      cancelAnimationFrame(frame)
      moments.forEach((moment) => element.removeEventListener(moment, look))
    }
  }, [audio, lines])
  return now
}

/** What is sung at that time; -1 between two. */
function at(parts: readonly { start_ms: number; end_ms: number }[], ms: number): number {
  return parts.findIndex((part) => part.start_ms <= ms && ms < part.end_ms)
}
