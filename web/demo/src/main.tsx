import './style.css'

import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'

import { App } from './app.js'
import { PreferencesProvider } from './preferences.js'
import { SetupProvider } from './session.js'
import { findProject, setUp } from './setup.js'

const root = createRoot(document.getElementById('root') as HTMLElement)
findProject().then(
  (project) => {
    const setup = setUp(project)
    root.render(
      <StrictMode>
        <PreferencesProvider>
          <SetupProvider setup={setup}>
            <App />
          </SetupProvider>
        </PreferencesProvider>
      </StrictMode>,
    )
  },
  (error: Error) => root.render(<p role="alert">{error.message}</p>),
)
