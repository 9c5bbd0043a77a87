import { ArrowLeft, Search } from 'lucide-react'
import { useMemo, useRef, useState, type FormEvent, type ReactElement } from 'react'
import { Link, useLocation } from 'wouter'

import { search, type Book } from '../books.js'
import { useWriting } from '../journeys.js'
import { Cover } from '../parts/cover.js'
import { Feelings } from '../parts/feelings.js'
import { Field } from '../parts/field.js'
import { usePreferences, useSay } from '../preferences.js'
import { tell } from '../toasts.js'

interface Chosen {
  title: string
  author: string
}

export default function NewJourney(): ReactElement {
  const say = useSay()
  const { language } = usePreferences()
  const [words, setWords] = useState('')
  const [chosen, setChosen] = useState<Chosen | null>(null)
  const found = useMemo(() => search(words), [words])
  const inLanguage = (book: Book): Chosen =>
    language === 'ko'
      ? { title: book.titleKo, author: book.authorKo }
      : { title: book.title, author: book.author }
  return (
    <>
      <Link href="/" className="mb-6 inline-flex items-center gap-1.5 text-sm text-soft hover:text-ink">
        <ArrowLeft size={16} aria-hidden /> {say('back')}
      </Link>
      <h1 className="font-serif text-3xl sm:text-4xl">{say('chooseBook')}</h1>
      <div className="mt-6 grid gap-8 lg:grid-cols-[1fr_22rem]">
        <div>
          <div className="relative">
            <Search className="absolute top-3 left-3.5 text-soft" size={20} aria-hidden />
            <input
              type="search"
              aria-label={say('searchBook')}
              placeholder={say('searchBook')}
              value={words}
              onChange={({ target }) => setWords(target.value)}
              className="field pl-11"
            />
          </div>
          <ul
            aria-label={say('books')}
            className="mt-5 grid max-h-[62vh] grid-cols-3 gap-4 overflow-y-auto p-1 sm:grid-cols-4"
          >
            {found.map((book) => {
              const shown = inLanguage(book)
              const isChosen = chosen?.title === shown.title
              return (
                <li key={book.title + book.author}>
                  <button
                    type="button"
                    aria-pressed={isChosen}
                    className="@container block w-full rounded-lg text-left aria-pressed:outline-3 aria-pressed:outline-offset-2 aria-pressed:outline-accent"
                    onClick={() => setChosen(shown)}
                  >
                    <Cover title={shown.title} author={shown.author} />
                    <span className="sr-only">
                      {shown.title}, {shown.author}
                    </span>
                  </button>
                </li>
              )
            })}
          </ul>
          {found.length === 0 && <p className="mt-4 text-soft">{say('noBook')}</p>}
        </div>
        <Begin key={`${chosen?.title}`} chosen={chosen} typed={found.length ? '' : words} />
      </div>
    </>
  )
}

function Begin({ chosen, typed }: { chosen: Chosen | null; typed: string }): ReactElement {
  const say = useSay()
  const { begin } = useWriting()
  const [, go] = useLocation()
  const id = useRef<string>(null)
  const [title, setTitle] = useState(chosen?.title ?? '')
  const [author, setAuthor] = useState(chosen?.author ?? '')
  const [emotions, setEmotions] = useState<string[]>([])
  const [isBusy, setIsBusy] = useState(false)
  const shownTitle = title || typed

  const send = async (event: FormEvent) => {
    event.preventDefault()
    setIsBusy(true)
    id.current ??= crypto.randomUUID() // the same if it has to be sent again
    try {
      const { journey } = await begin(id.current, shownTitle.trim(), author.trim(), emotions)
      tell('message', say('started'))
      go(`/journey/${journey.id}`)
    } catch (error) {
      setIsBusy(false)
      tell('error', say('somethingWrong', { reason: (error as Error).message }))
    }
  }
  return (
    <form onSubmit={send} className="card h-fit space-y-4 p-5 lg:sticky lg:top-24">
      <Field
        label={say('ownTitle')}
        id="title"
        required
        maxLength={300}
        value={shownTitle}
        onChange={({ target }) => setTitle(target.value)}
      />
      <Field
        label={say('ownAuthor')}
        id="author"
        maxLength={300}
        value={author}
        onChange={({ target }) => setAuthor(target.value)}
      />
      <Feelings legend={say('mood')} chosen={emotions} onChange={setEmotions} />
      <button type="submit" className="button button-main w-full" disabled={isBusy || !shownTitle.trim()}>
        {say(isBusy ? 'beginning' : 'beginNow')}
      </button>
    </form>
  )
}
