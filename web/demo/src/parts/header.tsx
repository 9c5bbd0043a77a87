import { Activity, BookHeart, LogOut, Moon, Sun } from 'lucide-react'
import { lazy, Suspense, useState, type ReactElement } from 'react'
import { createPortal } from 'react-dom'
import { Link } from 'wouter'

import { usePreferences, useSay } from '../preferences.js'
import { useSetup, useUser } from '../session.js'

const Drawer = lazy(() => import('./drawer.js'))

export function Header(): ReactElement {
  const say = useSay()
  const user = useUser()
  const { supabase } = useSetup()
  const { language, setLanguage, theme, setTheme } = usePreferences()
  const [isOpen, setIsOpen] = useState(false)
  return (
    <header className="sticky top-0 z-20 border-b border-line bg-paper/90 backdrop-blur">
      <div className="mx-auto flex h-16 max-w-6xl items-center gap-1 px-4 sm:px-6">
        <Link href="/" className="mr-auto flex items-center gap-2.5 rounded-lg">
          <BookHeart className="text-accent" size={24} strokeWidth={1.6} aria-hidden />
          <span className="font-serif text-xl font-semibold tracking-tight">Marginalia</span>
        </Link>
        <button
          type="button"
          className="button-icon w-auto px-3 text-sm font-medium"
          aria-label={say('language')}
          onClick={() => setLanguage(language === 'ko' ? 'en' : 'ko')}
        >
          <span lang={language === 'ko' ? 'en' : 'ko'}>{language === 'ko' ? 'EN' : '한국어'}</span>
        </button>
        <button
          type="button"
          className="button-icon"
          aria-label={say('theme')}
          onClick={() => setTheme(theme === 'dark' ? 'light' : 'dark')}
        >
          {theme === 'dark' ? <Sun size={18} aria-hidden /> : <Moon size={18} aria-hidden />}
        </button>
        {user && (
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
          </>
        )}
      </div>
      {user &&
        isOpen &&
        createPortal(
          <Suspense>
            <Drawer onClose={() => setIsOpen(false)} />
          </Suspense>,
          document.body, // what is blurred would keep it within the header
        )}
    </header>
  )
}
