'use client'
/** All that is being made, or was since the page is open, the latest first. */

import type { Language } from 'music-service'
import { useTracks } from 'music-service/react'

import { TrackPlayer } from './track-player'

export function TrackList({ language = 'en' }: { language?: Language }) {
  const tracks = useTracks()
  return (
    <ul className="music-list">
      {tracks.map((track) => (
        <li key={track.id}>
          <TrackPlayer id={track.id} initial={track} language={language} />
        </li>
      ))}
    </ul>
  )
}
