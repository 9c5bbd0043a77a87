import { useRef, useState, type FormEvent, type ReactElement } from 'react'

import { useWriting, type NewLog } from '../journeys.js'
import { useSay } from '../preferences.js'
import { tell } from '../toasts.js'
import type { TextName } from '../texts.js'
import { Feelings } from './feelings.js'
import { TextField } from './field.js'

type Words = 'none' | 'own' | 'story'
type Voice = 'any' | 'female' | 'male'

const WORDS: readonly (readonly [Words, TextName])[] = [
  ['none', 'instrumental'],
  ['own', 'ownWords'],
  ['story', 'storyWords'],
]
const VOICES: readonly (readonly [Voice, TextName])[] = [
  ['any', 'anyVoice'],
  ['female', 'female'],
  ['male', 'male'],
]

/** Writes down what was read; its music is followed at once, and the form is free for the next. */
export function LogForm(props: { journeyId: string; onAdded: () => void }): ReactElement {
  const { journeyId, onAdded } = props
  const say = useSay()
  const { add } = useWriting()
  const id = useRef<string>(null)
  const [quote, setQuote] = useState('')
  const [memo, setMemo] = useState('')
  const [emotions, setEmotions] = useState<string[]>([])
  const [words, setWords] = useState<Words>('none')
  const [lyrics, setLyrics] = useState('')
  const [voice, setVoice] = useState<Voice>('any')
  const [isBusy, setIsBusy] = useState(false)
  const isEmpty = !quote.trim() && !memo.trim() && emotions.length === 0

  const send = async (event: FormEvent) => {
    event.preventDefault()
    setIsBusy(true)
    id.current ??= crypto.randomUUID() // the same if it has to be sent again
    const log: NewLog = { quote: quote.trim(), memo: memo.trim(), emotions }
    if (words === 'own') log.lyrics = lyrics.trim()
    if (words === 'story') log.sing = true
    if (words !== 'none' && voice !== 'any') log.voice = voice
    try {
      await add(id.current, journeyId, log)
      id.current = null
      setQuote('')
      setMemo('')
      setEmotions([])
      setLyrics('')
      tell('message', say('logAdded'))
      onAdded()
    } catch (error) {
      tell('error', say('somethingWrong', { reason: (error as Error).message }))
    }
    setIsBusy(false)
  }
  return (
    <form onSubmit={send} className="card space-y-4 p-5" aria-label={say('addLog')}>
      <h2 className="font-serif text-xl">{say('addLog')}</h2>
      <TextField
        label={say('quote')}
        id="quote"
        rows={2}
        maxLength={4000}
        className="font-serif"
        value={quote}
        onChange={({ target }) => setQuote(target.value)}
      />
      <TextField
        label={say('memo')}
        id="memo"
        rows={2}
        maxLength={4000}
        value={memo}
        onChange={({ target }) => setMemo(target.value)}
      />
      <Feelings legend={say('feelings')} chosen={emotions} onChange={setEmotions} />
      <Choice legend={say('words')} name="words" options={WORDS} value={words} onChange={setWords} />
      {words === 'own' && (
        <TextField
          label={say('ownWordsField')}
          id="lyrics"
          rows={4}
          required
          maxLength={5000}
          value={lyrics}
          onChange={({ target }) => setLyrics(target.value)}
        />
      )}
      {words !== 'none' && (
        <Choice legend={say('voice')} name="voice" options={VOICES} value={voice} onChange={setVoice} />
      )}
      <button type="submit" className="button button-main w-full" disabled={isBusy || isEmpty}>
        {say(isBusy ? 'sending' : 'makeMusic')}
      </button>
    </form>
  )
}

function Choice<Value extends string>(props: {
  legend: string
  name: string
  options: readonly (readonly [Value, TextName])[]
  value: Value
  onChange: (value: Value) => void
}): ReactElement {
  const { legend, name, options, value, onChange } = props
  const say = useSay()
  return (
    <fieldset>
      <legend className="label">{legend}</legend>
      <div className="flex rounded-xl border border-line p-1">
        {options.map(([option, text]) => (
          <label
            key={option}
            className="flex-1 cursor-pointer rounded-lg px-2 py-1.5 text-center text-sm has-checked:bg-wash has-checked:font-medium has-focus-visible:outline-2 has-focus-visible:outline-accent"
          >
            <input
              type="radio"
              name={name}
              className="sr-only"
              checked={value === option}
              onChange={() => onChange(option)}
            />
            {say(text)}
          </label>
        ))}
      </div>
    </fieldset>
  )
}
