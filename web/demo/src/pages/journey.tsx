import { ArrowLeft, BookCheck, PenLine, Play } from 'lucide-react'
import type { Track } from 'music-service'
import { useTracks } from 'music-service/react'
import { useMemo, useRef, useState, type ReactElement } from 'react'
import { Link } from 'wouter'

import { takesOf, useJourney, useWriting, type Log, type WholeJourney } from '../journeys.js'
import { Cover } from '../parts/cover.js'
import { useFeelingName } from '../parts/feelings.js'
import { LogForm } from '../parts/log-form.js'
import { Failed, Loading, Message } from '../parts/states.js'
import { TrackStrip } from '../parts/track-strip.js'
import { usePlayer } from '../player.js'
import { usePreferences, useSay } from '../preferences.js'
import { tell } from '../toasts.js'

export default function JourneyPage({ id }: { id: string }): ReactElement {
  const say = useSay()
  const { value: whole, hasFailed, reload } = useJourney(id)
  if (whole === null) return <Message title={say('gone')} />
  if (!whole) return hasFailed ? <Failed onRetry={() => void reload()} /> : <Loading />
  return <Whole whole={whole} reload={reload} />
}

function Whole({ whole, reload }: { whole: WholeJourney; reload: () => Promise<void> }): ReactElement {
  const say = useSay()
  const { journey, logs, tracks } = whole
  const isFinished = journey.finished_at !== null
  const latestFirst = useMemo(() => logs.toReversed(), [logs])
  return (
    <>
      <Link href="/" className="mb-6 inline-flex items-center gap-1.5 text-sm text-soft hover:text-ink">
        <ArrowLeft size={16} aria-hidden /> {say('back')}
      </Link>
      <Head whole={whole} onFinished={reload} />
      <div
        className={`mt-10 grid grid-cols-[minmax(0,1fr)] gap-8 ${isFinished ? '' : 'lg:grid-cols-[minmax(0,1fr)_24rem]'}`}
      >
        {!isFinished && (
          <div className="lg:order-last">
            <div className="lg:sticky lg:top-24">
              <WriteDown journeyId={journey.id} onAdded={() => void reload()} />
            </div>
          </div>
        )}
        <ol className="space-y-5" reversed>
          {latestFirst.map((log) => (
            <li key={log.id}>
              <Entry log={log} takes={takesOf(log, tracks)} onNew={() => void reload()} />
            </li>
          ))}
        </ol>
      </div>
    </>
  )
}

/** The form; where there is little room, behind a button, so that the music is what is seen. */
function WriteDown(props: { journeyId: string; onAdded: () => void }): ReactElement {
  const say = useSay()
  const [isOpen, setIsOpen] = useState(false)
  return (
    <>
      <button
        type="button"
        className="button button-quiet w-full lg:hidden"
        aria-expanded={isOpen}
        onClick={() => setIsOpen(!isOpen)}
      >
        <PenLine size={16} aria-hidden /> {say('addLog')}
      </button>
      <div className={`mt-3 lg:mt-0 lg:block ${isOpen ? '' : 'hidden'}`}>
        <LogForm
          journeyId={props.journeyId}
          onAdded={() => {
            setIsOpen(false)
            props.onAdded()
          }}
        />
      </div>
    </>
  )
}

function Head(props: { whole: WholeJourney; onFinished: () => Promise<void> }): ReactElement {
  const { whole, onFinished } = props
  const say = useSay()
  const { language } = usePreferences()
  const { journey } = whole
  const date = new Date(journey.finished_at ?? journey.created_at).toLocaleDateString(language, {
    dateStyle: 'long',
  })
  return (
    <div className="flex items-end gap-5 sm:gap-8">
      <div className="@container w-24 shrink-0 sm:w-40">
        <Cover title={journey.book_title ?? ''} author={journey.book_author} />
      </div>
      <div className="min-w-0">
        <h1 className="font-serif text-3xl break-words sm:text-5xl">{journey.book_title}</h1>
        {journey.book_author && (
          <p className="mt-1 text-soft sm:text-lg">{say('by', { author: journey.book_author })}</p>
        )}
        <p className="mt-1 text-sm text-soft">
          {say(journey.finished_at ? 'finishedOn' : 'begunOn', { date })}
        </p>
        <div className="mt-4 flex flex-wrap gap-2">
          <PlayAll whole={whole} />
          {!journey.finished_at && <Finish journeyId={journey.id} onFinished={onFinished} />}
        </div>
      </div>
    </div>
  )
}

/** Plays the last take of each entry that is ready, one fading into the next. */
function PlayAll({ whole }: { whole: WholeJourney }): ReactElement {
  const say = useSay()
  const player = usePlayer()
  const known = useTracks(
    useMemo(() => whole.tracks.map(({ id }) => id), [whole]),
    { initial: whole.tracks },
  )
  const ready = whole.logs.flatMap((log) => {
    const takes = takesOf(log, known).filter(({ status }) => status === 'completed')
    return takes.slice(-1).map(({ id }) => id)
  })
  return (
    <button
      type="button"
      className="button button-main"
      disabled={ready.length === 0}
      onClick={() => player.play(ready)}
    >
      <Play size={16} fill="currentColor" aria-hidden /> {say('playAll')}
    </button>
  )
}

function Finish(props: { journeyId: string; onFinished: () => Promise<void> }): ReactElement {
  const say = useSay()
  const { finish } = useWriting()
  const dialog = useRef<HTMLDialogElement>(null)
  const [isSung, setIsSung] = useState(true)
  const [isBusy, setIsBusy] = useState(false)
  const send = async () => {
    setIsBusy(true)
    try {
      await finish(props.journeyId, isSung)
      dialog.current?.close()
      tell('message', say('finishedNow'))
      await props.onFinished()
    } catch (error) {
      tell('error', say('somethingWrong', { reason: (error as Error).message }))
      setIsBusy(false)
    }
  }
  return (
    <>
      <button
        type="button"
        className="button button-quiet"
        onClick={() => dialog.current?.showModal()}
      >
        <BookCheck size={16} aria-hidden /> {say('finish')}
      </button>
      <dialog
        ref={dialog}
        aria-label={say('finish')}
        className="m-auto w-[calc(100%-2rem)] max-w-sm rounded-2xl border border-line bg-sheet p-6 text-ink backdrop:bg-black/50"
      >
        <p className="font-serif text-xl">{say('finishAsk')}</p>
        <label className="mt-4 flex items-center gap-2.5">
          <input
            type="checkbox"
            className="size-4 accent-accent"
            checked={isSung}
            onChange={({ target }) => setIsSung(target.checked)}
          />
          {say('finishSung')}
        </label>
        <div className="mt-6 flex justify-end gap-2">
          <button
            type="button"
            className="button button-quiet"
            onClick={() => dialog.current?.close()}
          >
            {say('cancelDialog')}
          </button>
          <button
            type="button"
            className="button button-main"
            disabled={isBusy}
            onClick={() => void send()}
          >
            {say(isBusy ? 'finishing' : 'finish')}
          </button>
        </div>
      </dialog>
    </>
  )
}

function Entry(props: { log: Log; takes: readonly Track[]; onNew: () => void }): ReactElement {
  const { log, takes, onNew } = props
  const say = useSay()
  const feelingName = useFeelingName()
  const number = log.version?.slice(1) ?? ''
  const name =
    log.version === 'v0'
      ? say('opening')
      : log.version === 'vFinal'
        ? say('finale')
        : say('entry', { number })
  return (
    <article className="card p-5" data-version={log.version} aria-label={name}>
      <header className="mb-3 flex items-center gap-2.5">
        <span className="rounded-md bg-wash px-2 py-0.5 font-mono text-xs">{log.version}</span>
        <h2 className="font-medium">{name}</h2>
      </header>
      {log.quote && (
        <blockquote className="border-l-2 border-accent pl-4 font-serif text-lg italic">
          {log.quote}
        </blockquote>
      )}
      {log.memo && <p className="mt-2 whitespace-pre-line">{log.memo}</p>}
      {log.emotions.length > 0 && (
        <ul className="mt-3 flex flex-wrap gap-1.5" aria-label={say('feelings')}>
          {log.emotions.map((emotion) => (
            <li key={emotion} className="rounded-full border border-line px-2.5 py-0.5 text-xs text-soft">
              {feelingName(emotion)}
            </li>
          ))}
        </ul>
      )}
      <div className="mt-4 space-y-2">
        {takes.map((track, at) => (
          <TrackStrip
            key={track.id}
            initial={track}
            take={takes.length > 1 ? at + 1 : null}
            onNew={onNew}
          />
        ))}
      </div>
    </article>
  )
}
