/** The frame of every page. */

import { BookHeart, Moon, Sun } from 'lucide-react'
import type { ReactElement, ReactNode } from 'react'
import { Link } from 'wouter'

import { usePreferences, useSay } from '../preferences.js'

export interface ShellProps {
  /** What stands at the right of the head. */
  actions?: ReactNode
  /** Whether the player lies over the foot of the page. */
  hasPlayer?: boolean
  children: ReactNode
}

export function Shell({ actions, hasPlayer = false, children }: ShellProps): ReactElement {
  const say = useSay()
  const { language, setLanguage, theme, setTheme } = usePreferences()
  return (
    <>
      <a
        href="#content"
        className="sr-only z-50 rounded-full bg-accent px-4 py-2 text-accent-ink focus:not-sr-only focus:fixed focus:top-2 focus:left-2"
      >
        {say('skip')}
      </a>
      <header className="sticky top-0 z-20 border-b border-line bg-paper/90 backdrop-blur">
        <div className="mx-auto flex h-16 max-w-6xl items-center gap-1 px-4 sm:px-6">
          <Link href="/" className="mr-auto flex items-center gap-2.5 rounded-lg">
            <BookHeart className="text-accent" size={24} strokeWidth={1.6} aria-hidden />
            <span className="font-serif text-xl font-semibold tracking-tight">Marginalia</span>
          </Link>
          <button
            type="button"
            className="button-icon w-auto px-3 text-sm font-medium"
            aria-label={language === 'ko' ? 'English' : '한국어'}
            lang={language === 'ko' ? 'en' : 'ko'}
            onClick={() => setLanguage(language === 'ko' ? 'en' : 'ko')}
          >
            {language === 'ko' ? 'EN' : '한국어'}
          </button>
          <button
            type="button"
            className="button-icon"
            aria-label={say('theme')}
            onClick={() => setTheme(theme === 'dark' ? 'light' : 'dark')}
          >
            {theme === 'dark' ? <Sun size={18} aria-hidden /> : <Moon size={18} aria-hidden />}
          </button>
          {actions}
        </div>
      </header>
      <main
        id="content"
        tabIndex={-1}
        className={`mx-auto max-w-6xl px-4 pt-6 outline-none sm:px-6 sm:pt-10 ${hasPlayer ? 'pb-48' : 'pb-16'}`}
      >
        {children}
      </main>
    </>
  )
}
