/** Books to begin with; the search looks at both languages. */

export interface Book {
  title: string
  author: string
  titleKo: string
  authorKo: string
}

const LIST = `
Emma|Jane Austen|엠마|제인 오스틴
Pride and Prejudice|Jane Austen|오만과 편견|제인 오스틴
Jane Eyre|Charlotte Brontë|제인 에어|샬럿 브론테
Wuthering Heights|Emily Brontë|폭풍의 언덕|에밀리 브론테
Great Expectations|Charles Dickens|위대한 유산|찰스 디킨스
A Tale of Two Cities|Charles Dickens|두 도시 이야기|찰스 디킨스
Middlemarch|George Eliot|미들마치|조지 엘리엇
Frankenstein|Mary Shelley|프랑켄슈타인|메리 셸리
Dracula|Bram Stoker|드라큘라|브램 스토커
The Picture of Dorian Gray|Oscar Wilde|도리언 그레이의 초상|오스카 와일드
Mrs Dalloway|Virginia Woolf|댈러웨이 부인|버지니아 울프
To the Lighthouse|Virginia Woolf|등대로|버지니아 울프
Ulysses|James Joyce|율리시스|제임스 조이스
Moby-Dick|Herman Melville|모비 딕|허먼 멜빌
Walden|Henry David Thoreau|월든|헨리 데이비드 소로
Little Women|Louisa May Alcott|작은 아씨들|루이자 메이 올컷
Adventures of Huckleberry Finn|Mark Twain|허클베리 핀의 모험|마크 트웨인
The Great Gatsby|F. Scott Fitzgerald|위대한 개츠비|F. 스콧 피츠제럴드
The Old Man and the Sea|Ernest Hemingway|노인과 바다|어니스트 헤밍웨이
The Grapes of Wrath|John Steinbeck|분노의 포도|존 스타인벡
To Kill a Mockingbird|Harper Lee|앵무새 죽이기|하퍼 리
The Catcher in the Rye|J. D. Salinger|호밀밭의 파수꾼|J. D. 샐린저
Beloved|Toni Morrison|빌러비드|토니 모리슨
Nineteen Eighty-Four|George Orwell|1984|조지 오웰
Animal Farm|George Orwell|동물 농장|조지 오웰
Brave New World|Aldous Huxley|멋진 신세계|올더스 헉슬리
The Hobbit|J. R. R. Tolkien|호빗|J. R. R. 톨킨
Dune|Frank Herbert|듄|프랭크 허버트
The Left Hand of Darkness|Ursula K. Le Guin|어둠의 왼손|어슐러 K. 르 귄
Never Let Me Go|Kazuo Ishiguro|나를 보내지 마|가즈오 이시구로
The Remains of the Day|Kazuo Ishiguro|남아 있는 나날|가즈오 이시구로
Madame Bovary|Gustave Flaubert|마담 보바리|귀스타브 플로베르
Les Misérables|Victor Hugo|레 미제라블|빅토르 위고
The Count of Monte Cristo|Alexandre Dumas|몬테크리스토 백작|알렉상드르 뒤마
The Little Prince|Antoine de Saint-Exupéry|어린 왕자|앙투안 드 생텍쥐페리
The Stranger|Albert Camus|이방인|알베르 카뮈
The Plague|Albert Camus|페스트|알베르 카뮈
Swann’s Way|Marcel Proust|스완네 집 쪽으로|마르셀 프루스트
Crime and Punishment|Fyodor Dostoevsky|죄와 벌|표도르 도스토옙스키
The Brothers Karamazov|Fyodor Dostoevsky|카라마조프가의 형제들|표도르 도스토옙스키
War and Peace|Leo Tolstoy|전쟁과 평화|레프 톨스토이
Anna Karenina|Leo Tolstoy|안나 카레니나|레프 톨스토이
The Cherry Orchard|Anton Chekhov|벚꽃 동산|안톤 체호프
The Metamorphosis|Franz Kafka|변신|프란츠 카프카
Demian|Hermann Hesse|데미안|헤르만 헤세
Siddhartha|Hermann Hesse|싯다르타|헤르만 헤세
The Magic Mountain|Thomas Mann|마의 산|토마스 만
Faust|Johann Wolfgang von Goethe|파우스트|요한 볼프강 폰 괴테
Don Quixote|Miguel de Cervantes|돈키호테|미겔 데 세르반테스
One Hundred Years of Solitude|Gabriel García Márquez|백년의 고독|가브리엘 가르시아 마르케스
The House of the Spirits|Isabel Allende|영혼의 집|이사벨 아옌데
Kokoro|Natsume Sōseki|마음|나쓰메 소세키
Snow Country|Yasunari Kawabata|설국|가와바타 야스나리
Norwegian Wood|Haruki Murakami|노르웨이의 숲|무라카미 하루키
The Vegetarian|Han Kang|채식주의자|한강
Human Acts|Han Kang|소년이 온다|한강
Please Look After Mom|Kyung-sook Shin|엄마를 부탁해|신경숙
Land|Park Kyung-ni|토지|박경리
The Square|Choi In-hun|광장|최인훈
The Dwarf|Cho Se-hui|난장이가 쏘아올린 작은 공|조세희
The Wings|Yi Sang|날개|이상
When the Buckwheat Blooms|Yi Hyo-seok|메밀꽃 필 무렵|이효석
The Odyssey|Homer|오디세이아|호메로스
`

export const BOOKS: readonly Book[] = LIST.trim()
  .split('\n')
  .map((line) => {
    const [title = '', author = '', titleKo = '', authorKo = ''] = line.split('|')
    return { title, author, titleKo, authorKo }
  })

/** Those that have all the words somewhere, in either language; all where nothing is looked for. */
export function search(words: string): readonly Book[] {
  const wanted = words.toLocaleLowerCase().split(/\s+/).filter(Boolean)
  return BOOKS.filter((book) => {
    const text = Object.values(book).join(' ').toLocaleLowerCase()
    return wanted.every((word) => text.includes(word))
  })
}
