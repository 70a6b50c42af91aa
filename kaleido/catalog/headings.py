"""Headings of tables: the names that shops, marketplaces, data sets and office programs give to a product's fields."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

PHOTOS = "photos"
"""The only field that may have several columns."""

SYNONYMS: Mapping[str, str] = {
    "id": (
        "id productid itemid articleid handle urlhandle handleid productinternalid sku productsku itemsku sellersku "
        "uniqid pid asin entityid styleid productcode itemcode articlecode articlenumber articleno productnumber "
        "productno itemnumber itemno stylecode modelnumber reference referencecode productreference internalreference "
        "offerid customlabel listingid code mpn ean gtin upc barcode variantsku key uid uuid awproductid "
        "merchantproductid externalid guid ordernumber "
        "artikelnummer artikelnr artnr artikelid artikelcode produktnummer produktnr produktid produktcode "
        "bestellnummer bestellnr materialnummer "
        "identifiant referenceproduit referencearticle codearticle codeproduit refproduit refarticle ref idproduit "
        "referencia codigo codigoproducto codigodelproducto codigoarticulo idproducto "
        "codice codicearticolo codiceprodotto codart riferimento idprodotto bestelnummer "
        "kodproduktu kod indeks varenummer varenr tuotekoodi tuotenumero артикул код "
        "商品コード 商品番号 品番 商品编号 商品编码 货号"
    ),
    "title": (
        "title name producttitle productname itemname itemtitle articlename displayname productdisplayname "
        "productdisplaytitle posttitle offertitle heading headline prodname modelname shortname "
        "bezeichnung artikelbezeichnung produktbezeichnung artikelname produktname titel produkttitel artikeltitel "
        "nom nomduproduit nomproduit titre designation libelle intitule "
        "nombre nombredelproducto nombreproducto titulo nome nomeprodotto nomedelprodotto titolo denominazione "
        "naam productnaam artikelnaam nomedoproduto nazwa nazwaproduktu namn produktnamn benamning navn produktnavn "
        "varenavn nimi tuotenimi nazev nazevproduktu название наименование 商品名 タイトル 商品名称 产品名称 标题 名称 "
        "omschrijving"
    ),
    "description": (
        "description bodyhtml body productdescription itemdescription longdescription descriptionhtml htmldescription "
        "fulldescription detaildesc desc details productdetails detail encoded content postcontent text caption "
        "salesdescription shortdescription summary descriptionshort metadescription about blurb "
        "beschreibung artikelbeschreibung produktbeschreibung langbeschreibung langtext artikeltext kurzbeschreibung "
        "kurztext descriptif descriptionlongue descriptionduproduit descriptionproduit descriptioncourte "
        "descripcion descripcionlarga descripciondelproducto descripcionproducto descripcioncorta "
        "descrizione descrizionelunga descrizioneprodotto descrizionebreve "
        "beschrijving productbeschrijving productomschrijving langeomschrijving omschrijving korteomschrijving "
        "descricao opis opisproduktu beskrivning beskrivelse kuvaus popis описание 商品説明 説明 商品描述 描述"
    ),
    "category": (
        "category categories categoryname maincategory mastercategory categorydefault defaultcategory categorypath "
        "categorytree productcategorytree categoryids producttype productcategory productgroup productgroupname "
        "googleproductcategory itemtype itemtypename feedproducttype producttypename merchantcategory categorytext "
        "type class department section collection "
        "kategorie kategorien hauptkategorie produktkategorie warengruppe produktgruppe artikelgruppe rubrik "
        "categorie famille rayon categoria categorias familia reparto productgroep hoofdgroep artikelgroep "
        "kategoria kategori varugrupp varegruppe tuoteryhma категория カテゴリー カテゴリ 类别 分类 类目"
    ),
    "subcategory": (
        "subcategory subcategories subcategoryname subcat secondcategory articletype producttypename subclass subtype "
        "unterkategorie unterkategorien untergruppe unterwarengruppe souscategorie sousfamille sousrayon subcategoria "
        "subfamilia sottocategoria sottofamiglia subcategorie subgroep underkategori podkategoria podkategorie "
        "подкатегория サブカテゴリー サブカテゴリ 子类别"
    ),
    "split": "split",
    PHOTOS: (
        "photos photo images image imagesrc imagelink imagelinks imageurl imageurls imagesurl imagesurls imagepath "
        "imagepaths imagefile imagefiles imagefilename imagename mainimage mainimageurl baseimage primaryimage "
        "primaryimageurl productimage productimages productimageurl productimagefile hostedimageurls photourl "
        "photourls photopath photofile picture pictures pictureurl picurl img imgs imgurl imgsrc imgpath pic pics "
        "featuredimage covermediaurl productmediamainimageurl mediagalleryentries merchantimageurl awimageurl "
        "largeimage thumbnail smallimage filename filepath file path media enclosure mainimageid imageid "
        "bild bilder bildurl bilderurl bildlink bilddatei bildname bildpfad artikelbild produktbild hauptbild foto "
        "fotos fotourl abbildung urlimage urlimages urlsimages urldelimage lienimage imageprincipale urlphoto "
        "imagen imagenes urlimagen urldelaimagen urlimagenes imagenprincipal "
        "immagine immagini urlimmagine immagineprincipale afbeelding afbeeldingen afbeeldingurl hoofdafbeelding "
        "imagem imagens zdjecie zdjecia obraz billede billeder billedurl bilde kuva kuvat obrazek obrazky "
        "фото изображение 画像 画像url 写真 图片 图片链接 主图 图像"
    ),
}
"""Names of columns by field, as `plain_name` gives them; the first that a table has is taken."""

MORE_PHOTOS = (
    "additionalimagelink additionalimagelinks additionalimages additionalimage additionalimageurls additionalimageurl "
    "otherimageurl otherimages otherimage extraimages galleryimages gallery moreimages alternateimage alternateimages "
    "productmediagalleryimageurl otherimageid imgurlalternative weiterebilder zusatzbilder"
)
"""Columns that have photos besides those of the first."""

_EXPLANATION = re.compile(r"(?<=\w)\s*(?:\((?!\d+\))[^()]*\)|\[(?!\d+\])[^\[\]]*\])")
_ACCENTS = re.compile("[\u0300-\u036f]")

# As Akeneo, Magento and feeds end names: `name-en_US`, `description-de_DE-ecommerce`, `title_fr`. Without the codes
# that names end with for other reasons, such as `id` and `no`.
_LANGUAGE = re.compile(
    r"(?<=\w)[-_.: ](?:en|de|fr|es|it|nl|pt|pl|sv|da|nb|fi|cs|tr|ru|ja|zh|ko)(?:[-_][a-z]{2})?(?:[-_][a-z]\w*)?$", re.I
)


@lru_cache(maxsize=1 << 14)
def plain_name(name: str) -> str:
    """Returns a column's name without case, accents, spaces, signs, explanations and the prefix of feeds.

    `g:image_link` is `imagelink`, `Body (HTML)` is `body`, `Référence` is `reference`, and `image (2)` is `image2`.
    """
    name = unicodedata.normalize("NFKC", name).casefold().removeprefix("g:")
    if not name.isascii():
        name = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", name)))
    return re.sub(r"[\W_]+", "", _EXPLANATION.sub("", name))


def without_language(name: str) -> str:
    """Returns a column's name without a language at its end: `name-en_US` is `name`."""
    return _LANGUAGE.sub("", name)


def key_of(name: str, field: str) -> str:
    """Returns what is looked up in `SYNONYMS` for a field; photos and first categories may be numbered."""
    key = plain_name(name)
    if field == PHOTOS:
        return re.sub(r"\d+", "", key)
    return key.removesuffix("1") if field == "category" else key


@cache
def synonyms(field: str) -> tuple[str, ...]:
    """Names of a field in the order in which they are taken; a second category is a sub-category."""
    names = tuple(SYNONYMS[field].split())
    return (*names, *(f"{name}2" for name in SYNONYMS["category"].split())) if field == "subcategory" else names


@cache
def _fields_by_name() -> dict[str, str]:
    known = {f"{name}2": "subcategory" for name in SYNONYMS["category"].split()}
    for field in reversed(SYNONYMS):
        known.update(dict.fromkeys(SYNONYMS[field].split(), field))
    return known | dict.fromkeys(MORE_PHOTOS.split(), PHOTOS)


def fields_named(cells: Sequence[str]) -> int:
    """Counts the different fields that the cells of a row name, to tell a heading from what is above or below it."""
    found = set()
    for cell in cells:
        if 0 < len(cell) <= 60:
            key = plain_name(cell)
            known = _fields_by_name()
            found.add(known.get(key) or known.get(key.rstrip("0123456789")))
    return len(found - {None, "split"})


_MOST_ABOVE = 3
"""Rows as wide as the heading that may stand above it."""


def heading_row(rows: Sequence[Sequence[str]]) -> int:
    """Returns the place of the heading among the first rows of a table.

    It is the first row with several cells, unless a later one names more fields, and at least three: marketplaces put
    explanations, or names for people, above the names of the columns. Where more than three rows with as many cells
    stand above it, they are products and the heading is not at its place.

    Args:
        rows: Cells of the first rows.
    """
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    place = next((n for n, cells in enumerate(filled) if cells > 1), 0)
    best = fields_named(rows[place]) if rows else 0
    for n in range(place + 1, len(rows)):
        if sum(cells >= filled[n] for cells in filled[:n]) > _MOST_ABOVE:
            continue
        if (named := fields_named(rows[n])) >= max(3, best + (n > place + 1)):
            place, best = n, named
    return place
