/** Who is signed in; everything below may rely on there being somebody. */

import type { User } from '@supabase/supabase-js'
import {
  createContext,
  use,
  useEffect,
  useState,
  type ReactElement,
  type ReactNode,
} from 'react'

import type { Setup } from './setup.js'

const SetupContext = createContext<Setup | null>(null)
const UserContext = createContext<User | null | undefined>(undefined)

export function SetupProvider(props: { setup: Setup; children: ReactNode }): ReactElement {
  const { setup, children } = props
  const [user, setUser] = useState<User | null | undefined>(undefined)
  useEffect(() => {
    const { data } = setup.supabase.auth.onAuthStateChange((_, session) => {
      const found = session?.user ?? null
      setUser((last) => (last?.id === found?.id && last !== undefined ? last : found))
    })
    return () => data.subscription.unsubscribe()
  }, [setup])
  return (
    <SetupContext value={setup}>
      <UserContext value={user}>{children}</UserContext>
    </SetupContext>
  )
}

export function useSetup(): Setup {
  const setup = use(SetupContext)
  if (!setup) throw new Error('There is no <SetupProvider> above this component.')
  return setup
}

/** The user; null: nobody, undefined: not known yet. */
export function useUser(): User | null | undefined {
  return use(UserContext)
}
