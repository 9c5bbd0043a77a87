/** What an operator sees, for `music-service dev` alone: the gateway asks, with its own rights. */

import { useCallback, useEffect, useState, type ReactElement } from 'react'

import { Loading, Message } from '../parts/states.js'
import { useSay } from '../preferences.js'

type Row = Record<string, unknown>

interface Seen {
  health: Row
  review: Row[]
  spend: Row[]
  workers: Row[]
  tracks: Row[]
}

const LOOK_MS = 2000
const TRACK_COLUMNS = ['status', 'stage', 'title', 'attempts', 'error_code', 'created_at']

export default function Operate(): ReactElement {
  const say = useSay()
  const [seen, setSeen] = useState<Seen | null>()
  const look = useCallback(async () => {
    try {
      const answer = await fetch('/dev/operate')
      const isJson = answer.headers.get('content-type')?.includes('json')
      setSeen(answer.ok && isJson ? ((await answer.json()) as Seen) : null)
    } catch {
      // once more in two seconds
    }
  }, [])
  useEffect(() => {
    void look()
    const timer = setInterval(() => document.hidden || void look(), LOOK_MS)
    return () => clearInterval(timer)
  }, [look])
  if (seen === null) return <Message title={say('operateOnly')} />
  if (!seen) return <Loading />
  const { health, review, spend, workers, tracks } = seen
  return (
    <>
      <h1 className="font-serif text-3xl">{say('operate')}</h1>
      <p className="mt-1 text-soft">{say('operateMore')}</p>
      <dl className="mt-6 grid grid-cols-2 gap-3 sm:grid-cols-4">
        {HEALTH.map((name) => (
          <div key={name} className="card p-4">
            <dt className="text-xs text-soft">{name}</dt>
            <dd className="mt-1 font-serif text-2xl tabular-nums">{shown(health[name])}</dd>
          </div>
        ))}
      </dl>
      <Table title={say('review')} rows={review} empty={say('nothingToReview')} />
      <Table title={say('workers')} rows={workers} />
      <Table title={say('spend')} rows={spend} />
      <Table title={say('tracks')} rows={tracks} columns={TRACK_COLUMNS} />
    </>
  )
}

const HEALTH = [
  'due',
  'pending',
  'generating',
  'left_over',
  'workers_alive',
  'spent_today_cents',
  'daily_budget_cents',
  'pick_up_p50_seconds',
]

function Table(props: {
  title: string
  rows: Row[]
  columns?: string[]
  empty?: string
}): ReactElement {
  const { title, rows, columns = Object.keys(rows[0] ?? {}), empty = '—' } = props
  return (
    <section className="mt-8" aria-label={title}>
      <h2 className="mb-2 font-medium">{title}</h2>
      {rows.length === 0 ? (
        <p className="text-sm text-soft">{empty}</p>
      ) : (
        <div className="card overflow-x-auto" tabIndex={0} role="region" aria-label={title}>
          <table className="w-full text-left text-xs">
            <thead className="text-soft">
              <tr>
                {columns.map((column) => (
                  <th key={column} scope="col" className="px-3 py-2 font-medium whitespace-nowrap">
                    {column}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((row, at) => (
                <tr key={String(row.id ?? at)} className="border-t border-line">
                  {columns.map((column) => (
                    <td key={column} className="max-w-72 truncate px-3 py-2">
                      {shown(row[column])}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  )
}

const ISO_TIME = /^\d{4}-\d\d-\d\dT/

function shown(value: unknown): string {
  if (value === null || value === undefined) return '—'
  if (typeof value === 'number') return String(Math.round(value * 100) / 100)
  if (typeof value === 'object') return JSON.stringify(value)
  const text = String(value)
  return ISO_TIME.test(text) ? new Date(text).toLocaleTimeString('en-GB') : text
}
