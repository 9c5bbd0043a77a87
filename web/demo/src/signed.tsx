/** Everything for a reader who is signed in: their journeys, and what plays while they look around. */

import 'music-service/ui.css'

import type { User } from '@supabase/supabase-js'
import { createMusic, explain } from 'music-service'
import { MusicProvider, useMusic, useTrackEvents } from 'music-service/react'
import { lazy, Suspense, useEffect, type ReactElement } from 'react'
import { Route, Switch } from 'wouter'

import { Library } from './pages/library.js'
import { Actions } from './parts/actions.js'
import { Notices } from './parts/notices.js'
import { Shell } from './parts/shell.js'
import { Loading, Message } from './parts/states.js'
import { PlayerProvider, usePlayer } from './player.js'
import { usePreferences, useSay } from './preferences.js'
import { recordRow } from './recording.js'
import { useSetup } from './session.js'
import { tell } from './toasts.js'

const JourneyPage = lazy(() => import('./pages/journey.js'))
const NewJourney = lazy(() => import('./pages/new-journey.js'))
const PlayerBar = lazy(() => import('./parts/player-bar.js'))

export default function Signed({ user }: { user: User }): ReactElement {
  const { supabase } = useSetup()
  return (
    <MusicProvider music={createMusic(supabase)}>
      <PlayerProvider>
        <Page user={user} />
        <Told />
      </PlayerProvider>
    </MusicProvider>
  )
}

function Page({ user }: { user: User }): ReactElement {
  const say = useSay()
  const { id: played } = usePlayer()
  return (
    <>
      <Shell actions={<Actions user={user} />} hasPlayer={played !== null}>
        <Notices />
        <Suspense fallback={<Loading />}>
          <Switch>
            <Route path="/" component={Library} />
            <Route path="/journey/new" component={NewJourney} />
            <Route path="/journey/:id">{({ id }) => <JourneyPage key={id} id={id} />}</Route>
            <Route>
              <Message title={say('notFound')} />
            </Route>
          </Switch>
        </Suspense>
      </Shell>
      <Suspense>{played && <PlayerBar />}</Suspense>
    </>
  )
}

/** Says once what became of a piece, wherever the reader is. */
function Told(): null {
  const say = useSay()
  const { language } = usePreferences()
  const player = usePlayer()
  const music = useMusic()
  useEffect(
    () => music.onTrack((event) => event.type !== 'deleted' && recordRow(event.track)),
    [music],
  )
  useTrackEvents({
    onCompleted: (track) =>
      tell('success', say('trackReady', { title: track.title ?? say('untitled') }), {
        action: { label: say('play'), onClick: () => player.play([track.id]) },
      }),
    onFailed: (track) => {
      if (track.error_code === 'cancelled') return
      tell('error', say('trackFailed', { title: track.title ?? say('untitled') }), {
        description: explain(track, language).sentence,
      })
    },
  })
  return null
}
