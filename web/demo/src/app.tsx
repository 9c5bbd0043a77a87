/** Who is signed in decides what there is to see. */

import { lazy, Suspense, type ReactElement } from 'react'
import { Route, Switch } from 'wouter'

import { SignIn } from './pages/sign-in.js'
import { Shell } from './parts/shell.js'
import { Loading } from './parts/states.js'
import { useUser } from './session.js'

// What plays and follows music is loaded for whoever is signed in.
const Signed = lazy(() => import('./signed.js'))
const Operate = lazy(() => import('./pages/operate.js'))

export function App(): ReactElement {
  const loading = (
    <Shell>
      <Loading />
    </Shell>
  )
  return (
    <Suspense fallback={loading}>
      <Switch>
        <Route path="/operate">
          <Shell>
            <Operate />
          </Shell>
        </Route>
        <Route>
          <Entrance loading={loading} />
        </Route>
      </Switch>
    </Suspense>
  )
}

function Entrance({ loading }: { loading: ReactElement }): ReactElement {
  const user = useUser()
  if (user === undefined) return loading
  // Whoever signs out, or in as somebody else, takes the music along.
  if (user) return <Signed key={user.id} user={user} />
  return (
    <Shell>
      <SignIn />
    </Shell>
  )
}
