import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const native = fileURLToPath(new URL('native.tsx', import.meta.url))
const ofExpo = Object.entries(process.env).filter(([name]) => name.startsWith('EXPO_PUBLIC_'))

export default defineConfig({
  define: Object.fromEntries(
    ofExpo.map(([name, value]) => [`process.env.${name}`, JSON.stringify(value)]),
  ),
  resolve: { alias: { 'react-native': native, 'expo-crypto': native } },
})
