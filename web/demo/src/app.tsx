/** The page around all pages. */

import { useTrackEvents } from 'music-service/react'
import { lazy, Suspense, type ReactElement, type ReactNode } from 'react'
import { toast, Toaster } from 'sonner'
import { explain } from 'music-service'
import { Route, Switch } from 'wouter'

import { Library } from './pages/library.js'
import { SignIn } from './pages/sign-in.js'
import { Header } from './parts/header.js'
import { Notices } from './parts/notices.js'
import { PlayerBar } from './parts/player-bar.js'
import { Loading, Message } from './parts/states.js'
import { PlayerProvider, usePlayer } from './player.js'
import { usePreferences, useSay } from './preferences.js'
import { useUser } from './session.js'

const JourneyPage = lazy(() => import('./pages/journey.js'))
const NewJourney = lazy(() => import('./pages/new-journey.js'))
const Operate = lazy(() => import('./pages/operate.js'))

export function App(): ReactElement {
  const say = useSay()
  const user = useUser()
  const { theme } = usePreferences()
  return (
    <>
      <a
        href="#content"
        className="sr-only z-50 rounded-full bg-accent px-4 py-2 text-accent-ink focus:not-sr-only focus:fixed focus:top-2 focus:left-2"
      >
        {say('skip')}
      </a>
      {/* Whoever signs out, or in as somebody else, takes the music along. */}
      <PlayerProvider key={user?.id ?? ''}>
        <Header />
        <Page>
          <Suspense fallback={<Loading />}>
            <Switch>
              <Route path="/operate" component={Operate} />
              <Route>{user === undefined ? <Loading /> : user ? <Signed /> : <SignIn />}</Route>
            </Switch>
          </Suspense>
        </Page>
        {user && <Told />}
        {user && <PlayerBar />}
      </PlayerProvider>
      <Toaster theme={theme} position="top-center" closeButton />
    </>
  )
}

function Signed(): ReactElement {
  const say = useSay()
  return (
    <>
      <Notices />
      <Switch>
        <Route path="/" component={Library} />
        <Route path="/journey/new" component={NewJourney} />
        <Route path="/journey/:id">{({ id }) => <JourneyPage key={id} id={id} />}</Route>
        <Route>
          <Message title={say('notFound')} />
        </Route>
      </Switch>
    </>
  )
}

function Page({ children }: { children: ReactNode }): ReactElement {
  const player = usePlayer()
  return (
    <main
      id="content"
      tabIndex={-1}
      className={`mx-auto max-w-6xl px-4 pt-6 outline-none sm:px-6 sm:pt-10 ${player.id ? 'pb-48' : 'pb-16'}`}
    >
      {children}
    </main>
  )
}

/** Says once what became of a piece, wherever the reader is. */
function Told(): null {
  const say = useSay()
  const { language } = usePreferences()
  const player = usePlayer()
  useTrackEvents({
    onCompleted: (track) =>
      toast.success(say('trackReady', { title: track.title ?? say('untitled') }), {
        action: { label: say('play'), onClick: () => player.play([track.id]) },
      }),
    onFailed: (track) => {
      if (track.error_code === 'cancelled') return
      toast.error(say('trackFailed', { title: track.title ?? say('untitled') }), {
        description: explain(track, language).sentence,
      })
    },
  })
  return null
}
