/** The waveform of a finished piece; a click goes there. */

import { useEffect, useRef, useState, type ReactElement, type ReactNode } from 'react'
import WaveSurfer from 'wavesurfer.js'

import { usePlayer } from '../player.js'
import { usePreferences } from '../preferences.js'

const POINTS = 400

export default function Waveform(props: { url: string; fallback: ReactNode }): ReactElement {
  const { url, fallback } = props
  const { audio } = usePlayer()
  const { theme } = usePreferences()
  const container = useRef<HTMLDivElement>(null)
  const [shape, setShape] = useState<{ url: string; peaks: number[]; seconds: number }>()
  useEffect(() => {
    const abort = new AbortController()
    shapeOf(url, abort.signal).then(setShape, () => undefined) // the slider does it, too
    return () => abort.abort()
  }, [url])
  useEffect(() => {
    if (!shape || !container.current || !audio.current?.src) return
    const style = getComputedStyle(document.documentElement)
    const wave = WaveSurfer.create({
      container: container.current,
      media: audio.current, // plays already; its own address is taken, and nothing is loaded
      peaks: [shape.peaks],
      duration: shape.seconds,
      height: 36,
      barWidth: 2,
      barGap: 1,
      barRadius: 2,
      cursorWidth: 0,
      waveColor: style.getPropertyValue('--line'),
      progressColor: style.getPropertyValue('--accent'),
    })
    return () => wave.destroy()
  }, [shape, theme, audio])
  const isDrawn = shape?.url === url
  return (
    <div className="relative">
      <div ref={container} aria-hidden className={isDrawn ? '' : 'hidden'} />
      <div className={isDrawn ? 'sr-only' : ''}>{fallback}</div>
    </div>
  )
}

/** The loudest moment of each of so many equal parts. */
async function shapeOf(
  url: string,
  signal: AbortSignal,
): Promise<{ url: string; peaks: number[]; seconds: number }> {
  const file = await (await fetch(url, { signal })).arrayBuffer()
  const context = new OfflineAudioContext(1, 1, 8000) // a shape needs no more
  const audio = await context.decodeAudioData(file)
  const samples = audio.getChannelData(0)
  const width = Math.max(1, Math.floor(samples.length / POINTS))
  const peaks = Array.from({ length: POINTS }, (_, at) => {
    let loudest = 0
    for (const sample of samples.subarray(at * width, (at + 1) * width)) {
      loudest = Math.max(loudest, Math.abs(sample))
    }
    return loudest
  })
  return { url, peaks, seconds: audio.duration }
}
