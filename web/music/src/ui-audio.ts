/** An audio element that goes from one address to the next as if nothing had happened. */

import { useEffect, useRef, type RefObject } from 'react'

import type { Source } from './types.js'

/** A signed address differs in its query alone from the one that it follows. */
function fileOf(url: string): string {
  return url.split('?', 1)[0] ?? url
}

/**
 * Gives the element its source. The file that follows a stream, and a renewed address, start where
 * the last one stood, and play if it did; other music starts at its beginning.
 */
export function useSourceOf(audio: RefObject<HTMLAudioElement | null>, source: Source | null): void {
  const last = useRef<Source | null>(null)
  useEffect(() => {
    const element = audio.current
    if (!source) last.current = null // the next element starts from nothing
    if (!element || !source || source.url === last.current?.url) return
    const before = last.current
    if (!before) {
      last.current = source
      element.src = source.url
      return
    }
    const swap = () => {
      last.current = source
      const isSameMusic = before.isStream || fileOf(before.url) === fileOf(source.url)
      exchange(element, source.url, isSameMusic)
    }
    const isRenewal = fileOf(before.url) === fileOf(source.url)
    if (!isRenewal || element.paused || element.error) {
      swap()
      return
    }
    // What is playing goes on from its buffer; a new address is for when it stops.
    element.addEventListener('pause', swap, { once: true })
    element.addEventListener('error', swap, { once: true })
    return () => {
      element.removeEventListener('pause', swap)
      element.removeEventListener('error', swap)
    }
  }, [audio, source])
}

function exchange(element: HTMLAudioElement, url: string, isSameMusic: boolean): void {
  const at = isSameMusic ? element.currentTime : 0
  // A stream that ended early was still wanted.
  const wasPlaying = isSameMusic && (!element.paused || element.ended)
  element.src = url
  if (at) {
    element.addEventListener('loadedmetadata', () => (element.currentTime = at), { once: true })
  }
  if (wasPlaying) element.play().catch(() => undefined) // the browser may want a click first
  else if (at) element.load()
}
