/** What a signed-in reader can do from every page. */

import type { User } from '@supabase/supabase-js'
import { Activity, LogOut } from 'lucide-react'
import { lazy, Suspense, useState, type ReactElement } from 'react'
import { createPortal } from 'react-dom'

import { useSay } from '../preferences.js'
import { useSetup } from '../session.js'

const Drawer = lazy(() => import('./drawer.js'))

export function Actions({ user }: { user: User }): ReactElement {
  const say = useSay()
  const { supabase } = useSetup()
  const [isOpen, setIsOpen] = useState(false)
  return (
    <>
      <button
        type="button"
        className="button-icon"
        aria-label={say('drawer')}
        aria-expanded={isOpen}
        onClick={() => setIsOpen(!isOpen)}
      >
        <Activity size={18} aria-hidden />
      </button>
      <button
        type="button"
        className="button-icon"
        aria-label={say('signOut')}
        title={user.email ?? say('guest')}
        onClick={() => void supabase.auth.signOut({ scope: 'local' })}
      >
        <LogOut size={18} aria-hidden />
      </button>
      {isOpen &&
        createPortal(
          <Suspense>
            <Drawer onClose={() => setIsOpen(false)} />
          </Suspense>,
          document.body, // what is blurred would keep it within the header
        )}
    </>
  )
}
