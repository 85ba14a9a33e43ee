// Colour maps as tables of 256 packed pixels, as an ImageData holds them.

// Every fifth colour of matplotlib's maps; what lies between is interpolated (within 4 of 255).
const STOPS = {
  viridis:
    "44015446085c471063481769481d6f482475472a7a46307e453781433d844142873f48893d4e8a3a538b38598c355e8d" +
    "33638d31688e2e6d8e2c718e2a768e297b8e27808e25848e23898e218e8d20928c1f978b1e9c891fa18821a58524aa83" +
    "28ae802eb37c35b7793dbc7446c06f50c46a5ac86465cb5e70cf577cd25089d54895d840a2da37b0dd2fbddf26cae11f" +
    "d8e219e5e419f1e51dfde725",
  cividis:
    "00224e002656002a5f002d68003070083370163770203a6f273e6e2e416d34456c3a486c3f4c6c444f6c49536c4e566c" +
    "535a6d575d6d5c616e60646f656870696b716d6f727272747676767a7a787e7d788381798885788d8878928c78969077" +
    "9b9476a09875a59c74aaa073afa471b5a86fbaac6dbfb06bc4b468c9b965cfbd62d4c15fdac65bdfca57e5cf52ead34c" +
    "f0d846f6dd3ffce236fee838",
  inferno:
    "00000402020c0504170a072210092d160b391e0c45260c512f0a5b380962400a67490b6a510e6c59106e61136e69166e" +
    "71196e781c6d801f6c88226a902568982766a02a63a82e5fb0315bb73557bf3952c63d4dcc4248d34743d94d3ddf5337" +
    "e45a31e9612bed6925f1711ff47918f78212f98b0bfa9407fb9d07fca60cfcb014fbba1ffac42af8cd37f6d746f4e156" +
    "f2ea69f2f27df5f992fcffa4",
  grey: "000000ffffff",
};

// Names of the maps, the one to begin with first.
export const MAPS = ["grey", "viridis", "cividis", "inferno"];

// What has no value: a colour of no map.
export const MASKED = packed(0xd6, 0x00, 0x6e);

// One opaque pixel of a Uint32Array over an ImageData; every machine with a browser is little-endian.
export function packed(red, green, blue) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

// The 256 packed colours of a map.
export function table(name) {
  const stops = STOPS[name].match(/../g).map((hex) => parseInt(hex, 16));
  const last = stops.length / 3 - 1;
  return Uint32Array.from({ length: 256 }, (_, level) => {
    const place = (level / 255) * last;
    const left = Math.min(Math.floor(place), last - 1);
    const channel = (c) => {
      const [before, after] = [stops[3 * left + c], stops[3 * left + 3 + c]];
      return Math.round(before + (place - left) * (after - before));
    };
    return packed(channel(0), channel(1), channel(2));
  });
}

// A packed colour as CSS writes it.
export function cssColour(pixel) {
  return `rgb(${pixel & 255} ${(pixel >> 8) & 255} ${(pixel >> 16) & 255})`;
}
