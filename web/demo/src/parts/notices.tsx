/** What is worth knowing about the connection; nothing while all is well. */

import { useConnection } from 'music-service/react'
import { useEffect, useState, type ReactElement } from 'react'

import { useSay } from '../preferences.js'

const PATIENCE_MS = 4000

export function Notices(): ReactElement {
  const say = useSay()
  const connection = useConnection()
  const isSlow = useLasting(connection === 'polling')
  const notice = connection === 'offline' ? say('offline') : isSlow ? say('slow') : null
  return (
    <div role="status" aria-live="polite">
      {notice && (
        <p className="mb-6 rounded-xl border border-line bg-wash px-4 py-3 text-sm">{notice}</p>
      )}
    </div>
  )
}

/** True once it has been true for a while: a blink is not worth a word. */
function useLasting(isSo: boolean): boolean {
  const [isLasting, setIsLasting] = useState(false)
  useEffect(() => {
    if (!isSo) return setIsLasting(false)
    const timer = setTimeout(() => setIsLasting(true), PATIENCE_MS)
    return () => clearTimeout(timer)
  }, [isSo])
  return isLasting
}
