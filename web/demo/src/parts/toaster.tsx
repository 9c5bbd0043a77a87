import { createRoot } from 'react-dom/client'
import { toast, Toaster } from 'sonner'

export { toast }

// A root of its own, since it comes later than the page and outlives what it speaks of.
const place = document.body.appendChild(document.createElement('div'))
createRoot(place).render(
  <Toaster
    position="top-center"
    duration={5000}
    style={
      {
        '--normal-bg': 'var(--sheet)',
        '--normal-text': 'var(--ink)',
        '--normal-border': 'var(--line)',
        '--border-radius': '1rem',
        fontFamily: 'inherit',
      } as React.CSSProperties
    }
    toastOptions={{ classNames: { actionButton: 'toast-action' } }}
  />,
)
