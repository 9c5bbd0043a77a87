import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const native = fileURLToPath(new URL('native.tsx', import.meta.url))

export default defineConfig({
  envPrefix: 'EXPO_PUBLIC_',
  define: { 'process.env': 'import.meta.env' },
  resolve: { alias: { 'react-native': native, 'expo-crypto': native } },
})
