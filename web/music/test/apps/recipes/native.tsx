/** As much of `react-native` and `expo-crypto` as the recipe uses, for a browser. */

import type { ReactNode } from 'react'

interface ButtonProps {
  title: string
  disabled?: boolean
  onPress: () => void
}

export const View = ({ children }: { children: ReactNode }) => <div>{children}</div>
export const Text = View
export const Button = ({ title, disabled, onPress }: ButtonProps) => (
  <button disabled={disabled} onClick={onPress}>
    {title}
  </button>
)

type Listener = (state: 'active' | 'background') => void

export const AppState = {
  addEventListener(_: 'change', listener: Listener) {
    addEventListener('app-state', (event) => listener((event as CustomEvent).detail))
  },
}

export const randomUUID = () => crypto.randomUUID()
