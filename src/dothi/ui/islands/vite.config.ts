// How the islands become the bundle that src/dothi/ui/assets.py serves: hashed names, a manifest, gzip twins.
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const ENTRIES = ["src/base.css", "src/dark.css", "src/data.css", "src/account.css", "src/frame.ts", "src/operations.ts", "src/charts.ts", "src/wall.ts", "src/wards.ts", "src/sql.ts", "src/passkeys.ts", "src/spot.ts", "src/incidents.ts", "src/blackout.ts", "src/mine.ts", "src/page-worker.ts", "src/report.ts", "src/reports.ts"];
const DOCS = ["swagger-ui.css", "swagger-ui-bundle.js"];

function docsAssets(): Plugin {
  return {
    name: "docs-assets",
    generateBundle() {
      for (const name of DOCS) {
        const source = readFileSync(join(import.meta.dirname, "node_modules/swagger-ui-dist", name));
        this.emitFile({ type: "asset", fileName: `docs/${name}`, source });
      }
    },
  };
}

function gzipTwins(): Plugin {
  return {
    name: "gzip-twins",
    writeBundle({ dir }) {
      const walk = (folder: string): void => {
        for (const name of readdirSync(folder)) {
          const path = join(folder, name);
          if (statSync(path).isDirectory()) walk(path);
          else if (/\.(js|css|svg|json)$/.test(name)) writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
        }
      };
      walk(dir!);
    },
  };
}

export default defineConfig({
  base: "/static/",
  plugins: [docsAssets(), gzipTwins()],
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    manifest: true,
    target: "es2022",
    cssCodeSplit: true,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
    rollupOptions: { input: ENTRIES },
  },
});
