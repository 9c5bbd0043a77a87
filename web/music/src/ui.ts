'use client'
/**
 * Components that show a track. `music-service/ui.css` makes them presentable; classes and
 * variables are its hooks.
 */

export { useSourceOf as useAudioSource } from './ui-audio.js'
export { TrackBadge, type TrackBadgeProps } from './ui-badge.js'
export { TrackPlayer, type TrackPlayerProps } from './ui-player.js'
export { TrackWords, type TrackWordsProps } from './ui-words.js'
