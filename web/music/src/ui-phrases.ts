/** What the components say besides what `explain` does. */

import { explain, type Language } from './index.js'
import type { Progress, Track } from './types.js'

interface Phrases {
  late: string
  retry: string
  lyrics: string
  left: (seconds: number) => string
}

export const PHRASES: Record<Language, Phrases> = {
  en: {
    late: 'Taking longer than usual',
    retry: 'Try again',
    lyrics: 'Lyrics',
    left: (seconds) => `about ${seconds} s left`,
  },
  ko: {
    late: '평소보다 오래 걸리고 있어요',
    retry: '다시 시도',
    lyrics: '가사',
    left: (seconds) => `약 ${seconds}초 남음`,
  },
}

/** Where a track stands, in words. */
export function stateOf(track: Track, { phase }: Progress, language: Language): string {
  return phase === 'late' ? PHRASES[language].late : explain(track, language).title
}

/** The same with the time that is left, in steps of five seconds. */
export function timeLeft(track: Track, progress: Progress, language: Language): string {
  const state = stateOf(track, progress, language)
  if (!progress.secondsLeft) return state
  return `${state}, ${PHRASES[language].left(Math.ceil(progress.secondsLeft / 5) * 5)}`
}
