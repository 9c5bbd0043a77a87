/** What happens between this page and the project: the row, the requests, the channel that told. */

import { useConnection, useMusic } from 'music-service/react'
import type { Track } from 'music-service'
import { X } from 'lucide-react'
import { useCallback, useEffect, useRef, useState, useSyncExternalStore, type ReactElement } from 'react'

import { useSay } from '../preferences.js'
import { all, subscribe, type Recorded } from '../recording.js'
import { useSetup } from '../session.js'
import type { TextName } from '../texts.js'

export default function Drawer({ onClose }: { onClose: () => void }): ReactElement {
  const say = useSay()
  const { project } = useSetup()
  const connection = useConnection()
  const name: TextName = connection === 'offline' ? 'offlineShort' : connection
  return (
    <aside
      aria-label={say('drawer')}
      className="fixed top-16 right-0 bottom-0 z-40 flex w-full max-w-md flex-col border-l border-line bg-sheet shadow-2xl"
      onKeyDown={({ key }) => key === 'Escape' && onClose()}
    >
      <div className="flex items-start gap-3 border-b border-line p-4">
        <div className="mr-auto">
          <h2 className="font-serif text-lg">{say('drawer')}</h2>
          <p className="text-sm text-soft">{say('drawerMore')}</p>
        </div>
        <span
          data-testid="connection"
          data-connection={connection}
          className="rounded-full bg-wash px-2.5 py-1 text-xs font-medium whitespace-nowrap"
        >
          {say(name)}
        </span>
        <button type="button" className="button-icon" aria-label={say('close')} onClick={onClose}>
          <X size={18} aria-hidden />
        </button>
      </div>
      {project.dev && <Machine />}
      <div className="grid min-h-0 flex-1 grid-rows-2 text-xs">
        <Rows />
        <Requests />
      </div>
    </aside>
  )
}

interface Change {
  number: number
  at: Date
  title: string
  what: string
}

const FIELDS = ['status', 'stage', 'stream_url', 'file_url', 'title', 'error_code'] as const
const KEPT = 100

/** Each change of a row, with what has changed. */
function Rows(): ReactElement {
  const say = useSay()
  const music = useMusic()
  const before = useRef(new Map<string, Track>())
  const [changes, setChanges] = useState<Change[]>([])
  useEffect(
    () =>
      music.onTrack((event) => {
        if (event.type === 'deleted') return
        const { track } = event
        const what = changed(before.current.get(track.id), track)
        before.current.set(track.id, track)
        if (!what) return
        const title = track.title ?? track.id.slice(0, 8)
        setChanges((known) =>
          [{ number: (known[0]?.number ?? 0) + 1, at: new Date(), title, what }, ...known].slice(0, KEPT),
        )
      }),
    [music],
  )
  return (
    <section className="min-h-0 overflow-y-auto border-b border-line p-4" aria-label={say('rowChanges')} tabIndex={0}>
      <h3 className="mb-2 text-sm font-semibold">{say('rowChanges')}</h3>
      {changes.length === 0 && <p className="text-soft">{say('nothingYet')}</p>}
      <ol className="space-y-2">
        {changes.map((change) => (
          <li key={change.number}>
            <p className="flex gap-2 text-soft">
              <Time at={change.at} /> <span className="truncate">{change.title}</span>
            </p>
            <p className="font-mono break-all">{change.what}</p>
          </li>
        ))}
      </ol>
    </section>
  )
}

function changed(before: Track | undefined, now: Track): string {
  return FIELDS.filter((field) => now[field] !== (before?.[field] ?? null))
    .map((field) => `${field} = ${shortened(now[field])}`)
    .join('  ')
}

function shortened(value: string | null): string {
  if (value === null) return 'null'
  return value.length > 48 ? `…${value.slice(-40)}` : value
}

function Requests(): ReactElement {
  const say = useSay()
  const entries = useSyncExternalStore(subscribe, all)
  return (
    <section className="min-h-0 overflow-y-auto p-4" aria-label={say('requests')} tabIndex={0}>
      <h3 className="mb-2 text-sm font-semibold">{say('requests')}</h3>
      <ol className="space-y-1">
        {entries.map((entry) => (
          <li key={entry.number} className="flex gap-2">
            <Time at={entry.at} />
            <Told entry={entry} />
          </li>
        ))}
      </ol>
    </section>
  )
}

function Told({ entry }: { entry: Recorded }): ReactElement {
  const say = useSay()
  if (entry.kind !== 'request') {
    const name = entry.kind === 'broadcast' ? say('byBroadcast') : say('byChanges')
    return (
      <span className="truncate text-accent">
        {say('told')}: {name}
      </span>
    )
  }
  return (
    <span className="flex min-w-0 flex-1 gap-2 font-mono">
      <span className="truncate">{entry.what}</span>
      <span className="ml-auto whitespace-nowrap text-soft">
        {entry.status || '✕'} · {entry.milliseconds} ms
      </span>
    </span>
  )
}

function Time({ at }: { at: Date }): ReactElement {
  return <time className="shrink-0 text-soft tabular-nums">{at.toLocaleTimeString('en-GB')}</time>
}

interface State {
  worker: 'running' | 'stopped'
  paid_calls: number | null
  realtime: 'on' | 'refused'
}

const LOOK_MS = 1000

/** The machine behind `music-service dev`: its worker can be killed before your eyes. */
function Machine(): ReactElement | null {
  const say = useSay()
  const [state, setState] = useState<State>()
  const ask = useCallback(async (path: string, body?: object) => {
    const answer = await fetch(`/dev/${path}`, body && {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (answer.ok && path !== 'provider') setState((await answer.json()) as State)
  }, [])
  useEffect(() => {
    const look = () => void ask('state').catch(() => undefined) // once more in a second
    look()
    const timer = setInterval(look, LOOK_MS)
    return () => clearInterval(timer)
  }, [ask])
  if (!state) return null
  const isRunning = state.worker === 'running'
  const isOn = state.realtime === 'on'
  return (
    <section className="space-y-3 border-b border-line bg-wash/60 p-4 text-sm">
      <p className="flex items-center gap-2">
        <span className={`size-2.5 rounded-full ${isRunning ? 'bg-good' : 'bg-alert'}`} aria-hidden />
        {say('worker')}: {say(isRunning ? 'workerRunning' : 'workerStopped')}
        {state.paid_calls !== null && (
          <span className="ml-auto">
            {say('paidCalls')}: <b data-testid="paid-calls">{state.paid_calls}</b>
          </span>
        )}
      </p>
      <div className="flex flex-wrap gap-2">
        <button
          type="button"
          className="button button-quiet"
          onClick={() => void ask('worker', { running: !isRunning })}
        >
          {say(isRunning ? 'killWorker' : 'startWorker')}
        </button>
        <button
          type="button"
          className="button button-quiet"
          onClick={() => void ask('realtime', { on: !isOn })}
        >
          {say(isOn ? 'cutRealtime' : 'allowRealtime')}
        </button>
        {state.paid_calls !== null && (
          <button
            type="button"
            className="button button-quiet"
            onClick={() => void ask('provider', { fail_next: 1 })}
          >
            {say('failNext')}
          </button>
        )}
      </div>
    </section>
  )
}
