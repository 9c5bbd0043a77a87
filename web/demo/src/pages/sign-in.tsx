import { useState, type FormEvent, type ReactElement } from 'react'

import { Field } from '../parts/field.js'
import { useSay } from '../preferences.js'
import { useSetup } from '../session.js'

export function SignIn(): ReactElement {
  const say = useSay()
  const { supabase } = useSetup()
  const [isNew, setIsNew] = useState(true)
  const [isBusy, setIsBusy] = useState(false)
  const [reason, setReason] = useState<string | null>(null)

  const enter = async (how: () => Promise<{ error: Error | null }>) => {
    setIsBusy(true)
    const { error } = await how()
    setReason(error?.message ?? null)
    setIsBusy(false)
  }
  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const email = String(form.get('email'))
    const password = String(form.get('password'))
    void enter(() =>
      isNew
        ? supabase.auth.signUp({ email, password })
        : supabase.auth.signInWithPassword({ email, password }),
    )
  }
  return (
    <div className="grid items-center gap-10 py-4 md:grid-cols-2 md:gap-16 md:py-14">
      <div>
        <p className="mb-3 text-sm font-medium text-accent">{say('tagline')}</p>
        <h1 className="font-serif text-4xl leading-[1.15] sm:text-5xl">{say('pitch')}</h1>
        <Staves />
      </div>
      <div className="card mx-auto w-full max-w-md p-6 shadow-xl shadow-black/5 sm:p-8">
        <form onSubmit={send} className="space-y-4">
          <Field
            label={say('email')}
            id="email"
            name="email"
            type="email"
            required
            autoComplete="email"
          />
          <Field
            label={say('password')}
            id="password"
            name="password"
            type="password"
            required
            minLength={6}
            autoComplete={isNew ? 'new-password' : 'current-password'}
            aria-describedby={isNew ? 'password-hint' : undefined}
          >
            {isNew && (
              <p id="password-hint" className="mt-1.5 text-xs text-soft">
                {say('passwordHint')}
              </p>
            )}
          </Field>
          {reason && (
            <p role="alert" className="text-sm text-alert">
              {say('signInFailed', { reason })}
            </p>
          )}
          <button type="submit" className="button button-main w-full" disabled={isBusy}>
            {say(isNew ? 'signUp' : 'signIn')}
          </button>
        </form>
        <button
          type="button"
          className="button mt-2 w-full text-soft hover:text-ink"
          onClick={() => setIsNew(!isNew)}
        >
          {say(isNew ? 'toSignIn' : 'toSignUp')}
        </button>
        <hr className="my-4 border-line" />
        <button
          type="button"
          className="button button-quiet w-full"
          disabled={isBusy}
          onClick={() => void enter(() => supabase.auth.signInAnonymously())}
        >
          {say('asGuest')}
        </button>
      </div>
    </div>
  )
}

const LEVELS = [5, 9, 14, 8, 18, 12, 22, 15, 26, 19, 12, 23, 30, 21, 13, 25, 17, 28, 20, 11, 16, 24, 14, 9, 18, 12, 7, 10, 6, 4]

function Staves(): ReactElement {
  return (
    <div className="mt-8 flex h-10 items-end gap-1.5 text-accent" aria-hidden>
      {LEVELS.map((height, at) => (
        <span
          key={at}
          className="level w-1 rounded-full bg-current"
          style={{ height: `${height / 0.3}%`, opacity: 0.35 + height / 45, animationDelay: `${at * 70}ms` }}
        />
      ))}
    </div>
  )
}
