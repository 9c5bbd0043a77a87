import type { ComponentProps, ReactElement, ReactNode } from 'react'

type Own = { id: string; label: string }

/** One line to write in, under its label; what stands below is a hint. */
export function Field(props: ComponentProps<'input'> & Own & { children?: ReactNode }): ReactElement {
  const { label, children, ...input } = props
  return (
    <div>
      <Label id={props.id} label={label} />
      <input className="field" {...input} />
      {children}
    </div>
  )
}

/** The same for several lines. */
export function TextField({
  label,
  className = '',
  ...area
}: ComponentProps<'textarea'> & Own): ReactElement {
  return (
    <div>
      <Label id={area.id} label={label} />
      <textarea className={`field ${className}`} {...area} />
    </div>
  )
}

function Label({ id, label }: Own): ReactElement {
  return (
    <label className="label" htmlFor={id}>
      {label}
    </label>
  )
}
