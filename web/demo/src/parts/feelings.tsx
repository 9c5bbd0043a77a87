import type { ReactElement } from 'react'

import { usePreferences } from '../preferences.js'
import { FEELINGS } from '../texts.js'

export function Feelings(props: {
  legend: string
  chosen: readonly string[]
  onChange: (chosen: string[]) => void
}): ReactElement {
  const { legend, chosen, onChange } = props
  const { language } = usePreferences()
  const toggle = (name: string) =>
    onChange(chosen.includes(name) ? chosen.filter((each) => each !== name) : [...chosen, name])
  return (
    <fieldset>
      <legend className="label">{legend}</legend>
      <div className="flex flex-wrap gap-2">
        {FEELINGS.map(([name, inKorean]) => (
          <label
            key={name}
            className="cursor-pointer rounded-full border border-line px-3 py-1.5 text-sm select-none has-checked:border-accent has-checked:bg-wash has-checked:font-medium has-focus-visible:outline-2 has-focus-visible:outline-accent"
          >
            <input
              type="checkbox"
              className="sr-only"
              checked={chosen.includes(name)}
              onChange={() => toggle(name)}
            />
            {language === 'ko' ? inKorean : name}
          </label>
        ))}
      </div>
    </fieldset>
  )
}

/** A feeling in the reader's language, where it is one of those to choose from. */
export function useFeelingName(): (name: string) => string {
  const { language } = usePreferences()
  return (name) => (language === 'ko' && FEELINGS.find(([each]) => each === name)?.[1]) || name
}
