/** What happens between this page and the project: the row, the requests, the channel that told. */

import { X } from 'lucide-react'
import { useConnection } from 'music-service/react'
import { useCallback, useEffect, useState, useSyncExternalStore, type ReactElement } from 'react'

import { usePlayer } from '../player.js'
import { useSay } from '../preferences.js'
import { messages, rows, subscribe, type Recorded } from '../recording.js'
import { useSetup } from '../session.js'
import type { TextName } from '../texts.js'

export default function Drawer({ onClose }: { onClose: () => void }): ReactElement {
  const say = useSay()
  const { project } = useSetup()
  const connection = useConnection()
  const player = usePlayer()
  const name: TextName = connection === 'offline' ? 'offlineShort' : connection
  return (
    <aside
      aria-label={say('drawer')}
      className="fixed top-16 right-0 bottom-0 z-25 flex w-full max-w-md flex-col border-l border-line bg-sheet shadow-2xl"
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
        <button
          type="button"
          className="button-icon"
          aria-label={say('close')}
          autoFocus
          onClick={onClose}
        >
          <X size={18} aria-hidden />
        </button>
      </div>
      {project.dev && <Machine />}
      <div className={`grid min-h-0 flex-1 grid-rows-2 text-xs ${player.id ? 'pb-24' : ''}`}>
        <Rows />
        <Requests />
      </div>
    </aside>
  )
}

/** Each change of a row, with what has changed. */
function Rows(): ReactElement {
  const say = useSay()
  const changes = useSyncExternalStore(subscribe, rows)
  return (
    <section
      className="min-h-0 overflow-y-auto border-b border-line p-4"
      aria-label={say('rowChanges')}
      tabIndex={0}
    >
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

function Requests(): ReactElement {
  const say = useSay()
  const entries = useSyncExternalStore(subscribe, messages)
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
