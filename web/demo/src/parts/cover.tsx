/** A cover of its own for each book, drawn from its title. */

import type { ReactElement } from 'react'

export function Cover({ title, author }: { title: string; author: string | null }): ReactElement {
  const hue = [...title].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7)
  return (
    <div
      aria-hidden
      className="relative flex aspect-[2/3] w-full flex-col justify-between overflow-hidden rounded-r-lg rounded-l-sm p-[9%] text-white shadow-lg shadow-black/20"
      style={{
        background: `linear-gradient(150deg, hsl(${hue} 42% 34%), hsl(${(hue + 38) % 360} 48% 20%))`,
      }}
    >
      <div className="absolute inset-y-0 left-0 w-[5%] bg-black/20" />
      <p className="line-clamp-5 pl-[5%] font-serif text-[clamp(0.7rem,12cqw,1.5rem)] leading-snug break-words">
        {title}
      </p>
      <p className="truncate pl-[5%] text-[clamp(0.55rem,7cqw,0.8rem)] opacity-90">{author}</p>
    </div>
  )
}
