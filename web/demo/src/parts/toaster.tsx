import { createRoot } from 'react-dom/client'
import { toast, Toaster } from 'sonner'

import { text, type Language } from '../texts.js'

export { toast }

// A root of its own, since it comes later than the page and outlives what it speaks of.
const root = createRoot(document.body.appendChild(document.createElement('div')))

/** Draw them, in the language that the page has now. */
export function draw(): void {
  const language = document.documentElement.lang as Language
  root.render(
    <Toaster
      position="top-center"
      duration={5000}
      containerAriaLabel={text(language, 'messages')}
      style={
        {
          '--normal-bg': 'var(--sheet)',
          '--normal-text': 'var(--ink)',
          '--normal-border': 'var(--line)',
          '--border-radius': '1rem',
          fontFamily: 'inherit',
        } as React.CSSProperties
      }
      toastOptions={{ classNames: { actionButton: 'toast-action', description: 'toast-more' } }}
    />,
  )
}
