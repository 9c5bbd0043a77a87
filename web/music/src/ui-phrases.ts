/** What the components say, in each language that they speak. */

import type { Phase, Progress } from './types.js'

export type Language = 'en' | 'ko'

interface Phrases {
  phases: Record<Phase, string>
  untitled: string
  retry: string
  words: string
  left: (seconds: number) => string
}

export const PHRASES: Record<Language, Phrases> = {
  en: {
    phases: {
      waiting: 'Waiting',
      making: 'Being made',
      late: 'Taking longer than usual',
      done: 'Ready to play',
      failed: 'Failed',
    },
    untitled: 'Music',
    retry: 'Try again',
    words: 'Lyrics',
    left: (seconds) => `about ${seconds} s left`,
  },
  ko: {
    phases: {
      waiting: '대기 중',
      making: '만드는 중',
      late: '평소보다 오래 걸리고 있어요',
      done: '재생할 수 있어요',
      failed: '실패',
    },
    untitled: '음악',
    retry: '다시 시도',
    words: '가사',
    left: (seconds) => `약 ${seconds}초 남음`,
  },
}

/** Where a track stands, in words. */
export function inWords({ phase, secondsLeft }: Progress, language: Language): string {
  const { phases, left } = PHRASES[language]
  if (phase !== 'making' || !secondsLeft) return phases[phase]
  // In steps of five, so that a screen reader is not told each second.
  return `${phases.making}, ${left(Math.ceil(secondsLeft / 5) * 5)}`
}
