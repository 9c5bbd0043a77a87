/** Language and theme: the browser's, until the reader chooses. */

import {
  createContext,
  use,
  useCallback,
  useEffect,
  useMemo,
  useState,
  type ReactElement,
  type ReactNode,
} from 'react'

import { text, type Language, type TextName } from './texts.js'

export type Theme = 'light' | 'dark'

interface Preferences {
  language: Language
  setLanguage: (language: Language) => void
  theme: Theme
  setTheme: (theme: Theme) => void
}

const PreferencesContext = createContext<Preferences | null>(null)

export function PreferencesProvider({ children }: { children: ReactNode }): ReactElement {
  const [language, setLanguage] = useState<Language>(firstLanguage)
  const [theme, setTheme] = useState<Theme>(
    document.documentElement.dataset.theme === 'dark' ? 'dark' : 'light',
  )
  useEffect(() => {
    document.documentElement.lang = language
  }, [language])
  useEffect(() => {
    document.documentElement.dataset.theme = theme
  }, [theme])
  const value = useMemo(
    () => ({
      language,
      setLanguage: remembering<Language>('language', setLanguage),
      theme,
      setTheme: remembering<Theme>('theme', setTheme),
    }),
    [language, theme],
  )
  return <PreferencesContext value={value}>{children}</PreferencesContext>
}

export function usePreferences(): Preferences {
  const preferences = use(PreferencesContext)
  if (!preferences) throw new Error('There is no <PreferencesProvider> above this component.')
  return preferences
}

export type Say = (name: TextName, values?: Record<string, string | number>) => string

/** Says a text in the reader's language. */
export function useSay(): Say {
  const { language } = usePreferences()
  return useCallback((name, values) => text(language, name, values), [language])
}

function remembering<Value extends string>(
  name: string,
  set: (value: Value) => void,
): (value: Value) => void {
  return (value) => {
    localStorage.setItem(name, value)
    set(value)
  }
}

function firstLanguage(): Language {
  const wish = localStorage.getItem('language') ?? navigator.language
  return wish.startsWith('ko') ? 'ko' : 'en'
}
