import { Plus } from 'lucide-react'
import type { ReactElement } from 'react'
import { Link } from 'wouter'

import { useJourneys, type ListedJourney } from '../journeys.js'
import { Cover } from '../parts/cover.js'
import { Failed, Loading, Message } from '../parts/states.js'
import { usePreferences, useSay } from '../preferences.js'

export function Library(): ReactElement {
  const say = useSay()
  const { value: journeys, hasFailed, reload } = useJourneys()
  if (!journeys) return hasFailed ? <Failed onRetry={() => void reload()} /> : <Loading />
  if (journeys.length === 0) {
    return (
      <Message title={say('noJourneys')} more={say('noJourneysMore')}>
        <NewJourneyLink />
      </Message>
    )
  }
  return (
    <>
      <div className="mb-8 flex flex-wrap items-center justify-between gap-4">
        <h1 className="font-serif text-3xl">{say('journeys')}</h1>
        <NewJourneyLink />
      </div>
      <ul className="grid grid-cols-2 gap-x-5 gap-y-8 sm:grid-cols-3 lg:grid-cols-5">
        {journeys.map((journey) => (
          <li key={journey.id}>
            <Shelved journey={journey} />
          </li>
        ))}
      </ul>
    </>
  )
}

function Shelved({ journey }: { journey: ListedJourney }): ReactElement {
  const say = useSay()
  const { language } = usePreferences()
  const date = new Date(journey.finished_at ?? journey.created_at).toLocaleDateString(language)
  return (
    <Link href={`/journey/${journey.id}`} className="group @container block rounded-lg">
      <div className="transition-transform group-hover:-translate-y-1">
        <Cover title={journey.book_title ?? ''} author={journey.book_author} />
      </div>
      <p className="mt-3 truncate font-medium">{journey.book_title}</p>
      <p className="text-sm text-soft">
        {say('notes', { count: journey.entries })} ·{' '}
        {say(journey.finished_at ? 'finishedOn' : 'begunOn', { date })}
      </p>
    </Link>
  )
}

function NewJourneyLink(): ReactElement {
  const say = useSay()
  return (
    <Link href="/journey/new" className="button button-main">
      <Plus size={18} aria-hidden /> {say('newJourney')}
    </Link>
  )
}
