import tailwind from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// While `music-service dev` runs, `npm run dev` takes everything else from there.
const target = process.env.MUSIC_DEV_URL ?? 'http://127.0.0.1:54321'

export default defineConfig({
  plugins: [react(), tailwind()],
  build: { target: 'es2022', reportCompressedSize: true },
  server: {
    proxy: {
      '/dev': {
        target,
        changeOrigin: true,
        // It answers no other page than its own, and this one stands in for it.
        configure: (proxy) => proxy.on('proxyReq', (request) => request.removeHeader('origin')),
      },
    },
  },
})
