'use client'
/** Where a track stands, as a sign. */

import type { ReactElement } from 'react'

import type { Language } from './index.js'
import { useProgress } from './react.js'
import type { Phase, Track } from './types.js'
import { stateOf } from './ui-phrases.js'

export interface TrackBadgeProps {
  track: Track
  language?: Language
  className?: string
}

/** A spinner while a track is being made, a note when it is ready, an alert when it has failed. */
export function TrackBadge({ track, language = 'en', className = '' }: TrackBadgeProps): ReactElement {
  const progress = useProgress(track)
  const said = stateOf(track, progress, language)
  return (
    <span
      className={`music-badge ${className}`}
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
