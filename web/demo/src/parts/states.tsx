/** What stands where something is not there, not yet, or not any more. */

import { BookOpen } from 'lucide-react'
import type { ReactElement, ReactNode } from 'react'
import { Link } from 'wouter'

import { useSay } from '../preferences.js'

export function Loading(): ReactElement {
  const say = useSay()
  return (
    <div role="status" className="space-y-4" data-testid="loading">
      <span className="sr-only">{say('loading')}</span>
      <div className="h-9 w-56 animate-pulse rounded-lg bg-line/70" />
      <div className="h-32 animate-pulse rounded-2xl bg-line/50" />
      <div className="h-32 animate-pulse rounded-2xl bg-line/30" />
    </div>
  )
}

export function Message(props: {
  title: string
  more?: string
  children?: ReactNode
}): ReactElement {
  const say = useSay()
  return (
    <div className="mx-auto max-w-md py-16 text-center">
      <BookOpen className="mx-auto mb-4 text-accent" size={40} strokeWidth={1.4} aria-hidden />
      <h1 className="font-serif text-2xl">{props.title}</h1>
      {props.more && <p className="mt-2 text-soft">{props.more}</p>}
      <div className="mt-6">
        {props.children ?? (
          <Link href="/" className="button button-quiet">
            {say('home')}
          </Link>
        )}
      </div>
    </div>
  )
}

export function Failed({ onRetry }: { onRetry: () => void }): ReactElement {
  const say = useSay()
  return (
    <div role="alert">
      <Message title={say('loadFailed')}>
        <button type="button" className="button button-main" onClick={onRetry}>
          {say('tryAgain')}
        </button>
      </Message>
    </div>
  )
}
